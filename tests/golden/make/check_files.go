// Opens files with the real bbolt, runs its consistency check over them, then writes to a copy and checks that too.
package main

import (
	"fmt"
	"io/ioutil"
	"log"
	"os"

	bolt "go.etcd.io/bbolt"
)

func check(path string, options *bolt.Options) (ids int) {
	db, err := bolt.Open(path, 0600, options)
	if err != nil {
		log.Fatalf("%s: %v", path, err)
	}
	defer db.Close()
	if !options.ReadOnly {
		if err := db.Update(func(tx *bolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("written by bbolt"))
			if err != nil {
				return err
			}
			for i := 0; i < 500; i++ {
				if err := bucket.Put([]byte(fmt.Sprint(i)), make([]byte, i)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			log.Fatalf("%s: %v", path, err)
		}
	}
	if err := db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			log.Fatalf("%s: %v", path, err)
		}
		return nil
	}); err != nil {
		log.Fatalf("%s: %v", path, err)
	}
	stats := db.Stats()
	return stats.FreePageN + stats.PendingPageN
}

func main() {
	for _, path := range os.Args[1:] {
		check(path, &bolt.Options{ReadOnly: true})
		for _, unsynced := range []bool{false, true} {
			bytes, err := ioutil.ReadFile(path)
			if err != nil {
				log.Fatal(err)
			}
			work := path + ".work"
			if err := ioutil.WriteFile(work, bytes, 0600); err != nil {
				log.Fatal(err)
			}
			free := check(work, &bolt.Options{NoFreelistSync: unsynced})
			fmt.Printf("%s: fine, written to as well (NoFreelistSync %v), %d pages free after it\n", path, unsynced, free)
			os.Remove(work)
		}
	}
}
