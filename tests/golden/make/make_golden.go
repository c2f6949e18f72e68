// Writes the golden files of this folder with the real bbolt; README.md says how to run it.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func bucket(parent interface {
	CreateBucketIfNotExists([]byte) (*bolt.Bucket, error)
}, name string) *bolt.Bucket {
	b, err := parent.CreateBucketIfNotExists([]byte(name))
	must(err)
	return b
}

// What every file holds; tests/golden/golden_files.h says the same in C++.
func fill(db *bolt.DB) {
	for round := 0; round < 3; round++ {
		must(db.Update(func(tx *bolt.Tx) error {
			bucket(tx, "empty")
			must(bucket(tx, "inline").Put([]byte("only"), []byte("one")))
			large := bucket(tx, "large")
			must(large.Put([]byte("a"), bytes.Repeat([]byte("A"), 10000)))
			must(large.Put([]byte("b"), bytes.Repeat([]byte("B"), 3000)))
			must(large.Put([]byte("c"), nil))
			numbers := bucket(tx, "numbers")
			for i := round; i < 300; i += 3 {
				must(numbers.Put([]byte(fmt.Sprintf("n%04d", i)), bytes.Repeat([]byte("v"), i%40)))
			}
			outer := bucket(tx, "outer")
			must(outer.SetSequence(7))
			must(outer.Put([]byte("key"), []byte("value")))
			must(bucket(outer, "inner").Put([]byte("k"), []byte("v")))
			must(bucket(bucket(outer, "middle"), "deep").Put([]byte{0, 1, 2, 255}, []byte("binary key")))
			return nil
		}))
	}
	// Leaves free pages behind.
	must(db.Update(func(tx *bolt.Tx) error {
		numbers := tx.Bucket([]byte("numbers"))
		for i := 100; i < 200; i++ {
			must(numbers.Delete([]byte(fmt.Sprintf("n%04d", i))))
		}
		return nil
	}))
}

func write(path string, options bolt.Options) {
	os.Remove(path)
	db, err := bolt.Open(path, 0644, &options)
	must(err)
	fill(db)
	var size int64
	must(db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			log.Fatalf("%s: %v", path, err)
		}
		size = tx.Size()
		return nil
	}))
	must(db.Close())
	// bbolt lets files grow in large steps: cut what it has not used yet.
	must(os.Truncate(path, size))
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: make_golden FOLDER")
	}
	in := func(name string) string { return filepath.Join(os.Args[1], name) }
	write(in("synced.db"), bolt.Options{PageSize: 4096})
	write(in("unsynced.db"), bolt.Options{PageSize: 4096, NoFreelistSync: true})
	write(in("pages_1k.db"), bolt.Options{PageSize: 1024})
	write(in("pages_64k.db"), bolt.Options{PageSize: 65536, NoFreelistSync: true})
}
