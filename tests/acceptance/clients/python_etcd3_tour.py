#!/usr/bin/python3
"""Debian's python3-etcd3 used as its documentation shows, section by section, against whatever listens at the endpoint.

  python_etcd3_tour.py --endpoint 127.0.0.1:2379 [--ca ca.pem [--cert client.pem --key client.key]]

Debian's own interpreter runs it: that is where the package is. What it asserts holds for etcd 3.4 as well.
"""

import argparse
import hashlib
import io
import queue
import socket
import sys
import threading
import time

try:
    import etcd3
    import grpc
    from etcd3.etcdrpc import auth_pb2
except ImportError as error:
    sys.exit(f"{error}; Debian's python3-etcd3 brings both: ./dev setup test")

WAIT_SECONDS = 20
BOLT_MAGIC = bytes.fromhex("edda0ced")


def expect(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} instead of {wanted!r}")


def expect_refused(call, code, text):
    """The call fails with this status; the client hands some codes on as they came and gives others a class of its own."""
    try:
        call()
    except grpc.RpcError as error:
        expect((error.code(), error.details()), (code, text), "the refusal")
        return
    raise AssertionError(f"not refused; {text!r} was expected")


def expect_raises(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was expected")


def values(answers):
    return [(meta.key, value) for value, meta in answers]


class Tour:
    def __init__(self, arguments):
        host, port = arguments.endpoint.split(":")
        self.place = dict(host=host, port=int(port), ca_cert=arguments.ca, cert_cert=arguments.cert, cert_key=arguments.key, timeout=WAIT_SECONDS)
        self.etcd = etcd3.client(**self.place)

    # ------------------------------------------------------------------------------------------- keys

    def puts_and_gets(self):
        etcd = self.etcd
        first = etcd.put("/doot/key", "one")
        expect(etcd.get("/doot/key")[0], b"one", "what was put")
        before = etcd.put("/doot/key", "two", prev_kv=True)
        expect(before.prev_kv.value, b"one", "the previous value")
        expect(before.header.revision, first.header.revision + 1, "one put, one revision")
        value, meta = etcd.get("/doot/key")
        expect((value, meta.version, meta.create_revision, meta.mod_revision, meta.lease_id),
               (b"two", 2, first.header.revision, before.header.revision, 0), "value and metadata")
        expect(etcd.get("/doot/nothing"), (None, None), "what is not there")
        expect(etcd.get("/doot/key", serializable=True)[0], b"two", "a serializable read")
        every_byte = bytes(range(256))
        etcd.put(b"/doot/\x00\xff", every_byte)
        expect(etcd.get(b"/doot/\x00\xff")[0], every_byte, "all bytes")
        large = "x" * 1_000_000
        etcd.put("/large", large)
        expect(etcd.get("/large")[0], large.encode(), "a megabyte")

    def reads_ranges(self):
        etcd = self.etcd
        for i in range(300):
            etcd.put(f"/range/{i:03}", f"value {299 - i}")
        expect(len(list(etcd.get_prefix("/range/"))), 300, "keys of the prefix")
        expect(values(etcd.get_range("/range/010", "/range/012")), [(b"/range/010", b"value 289"), (b"/range/011", b"value 288")], "a range")
        last = next(iter(etcd.get_prefix("/range/", sort_order="descend", sort_target="key")))
        expect(last[1].key, b"/range/299", "the first in descending order")
        smallest = next(iter(etcd.get_prefix("/range/", sort_order="ascend", sort_target="value")))
        expect(smallest[0], b"value 0", "the smallest value")
        expect({value for value, _ in etcd.get_prefix("/range/", keys_only=True)}, {b""}, "keys only")
        everything = [meta.key for _, meta in etcd.get_all()]
        expect(everything, sorted(everything), "everything in order")

    def deletes(self):
        etcd = self.etcd
        etcd.put("/gone/1", "a")
        etcd.put("/gone/2", "b")
        expect(etcd.delete("/gone/1"), True, "a key that was there")
        expect(etcd.delete("/gone/1"), False, "a key that was not there")
        response = etcd.delete("/gone/2", prev_kv=True, return_response=True)
        expect([kv.value for kv in response.prev_kvs], [b"b"], "what was deleted")
        expect(etcd.delete_prefix("/range/").deleted, 300, "keys of a deleted prefix")

    def replaces_guarded(self):
        etcd = self.etcd
        expect(etcd.put_if_not_exists("/guarded", "first"), True, "a new key")
        expect(etcd.put_if_not_exists("/guarded", "second"), False, "a key that is there")
        expect(etcd.replace("/guarded", "first", "third"), True, "from the value it has")
        expect(etcd.replace("/guarded", "first", "fourth"), False, "from one it has not")
        expect(etcd.get("/guarded")[0], b"third", "what the guards let through")

    def transacts(self):
        etcd, t = self.etcd, self.etcd.transactions
        etcd.put("/doot/testing", "doot")
        ask = dict(compare=[t.value("/doot/testing") == "doot", t.version("/doot/testing") > 0],
                   success=[t.put("/doot/testing", "success")], failure=[t.put("/doot/testing", "failure")])
        expect(etcd.transaction(**ask)[0], True, "the guard holds")
        expect(etcd.transaction(**ask)[0], False, "the guard does not hold")
        expect(etcd.get("/doot/testing")[0], b"failure", "the other branch")
        succeeded, answers = etcd.transaction(
            compare=[t.create("/doot/absent") == 0, t.mod("/doot/testing") > 0],
            success=[t.put("/doot/absent", "now there", prev_kv=True), t.get("/doot/absent"), t.delete("/doot/testing", prev_kv=True),
                     t.txn(compare=[t.version("/doot/absent") == 0], success=[t.get("/doot/absent")], failure=[])],
            failure=[])
        expect(succeeded, True, "several guards")
        expect(answers[1][0][0], b"now there", "a transaction sees what it wrote")
        expect(answers[2].response_delete_range.deleted, 1, "keys that the transaction deleted")
        expect(answers[3].response_txn.succeeded, True, "the inner transaction, whose guards look at what was there before the outer one")
        twice = lambda: etcd.transaction(compare=[], success=[t.put("/twice", "1"), t.put("/twice", "2")], failure=[])
        expect_refused(twice, grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request")

    # ------------------------------------------------------------------------------------------- watches

    def watches_a_key(self):
        etcd = self.etcd
        events, cancel = etcd.watch("/doot/watch")
        writer = threading.Thread(target=lambda: [etcd.put("/doot/watch", str(i)) for i in range(10)] + [etcd.delete("/doot/watch")])
        writer.start()
        seen = []
        for event in events:
            seen.append((type(event).__name__, event.value))
            if len(seen) == 11:
                cancel()
        writer.join()
        expect(seen, [("PutEvent", str(i).encode()) for i in range(10)] + [("DeleteEvent", b"")], "events in order")

    def watches_prefixes_from_revisions(self):
        etcd = self.etcd
        first = etcd.put("/doot/watch/prefix/a", "1").header.revision
        etcd.put("/doot/watch/prefix/b", "2")
        events, cancel = etcd.watch_prefix("/doot/watch/prefix/", start_revision=first, prev_kv=True)
        etcd.put("/doot/watch/prefix/a", "3")
        seen = []
        for event in events:
            seen.append((event.key[-1:], event.value, event.prev_value, event.mod_revision - first))
            if len(seen) == 3:
                cancel()
        expect(seen, [(b"a", b"1", b"", 0), (b"b", b"2", b"", 1), (b"a", b"3", b"1", 2)], "history, then news")

    def calls_back(self):
        etcd, heard = self.etcd, queue.Queue()
        one = etcd.add_watch_callback("/anotherkey", heard.put)
        many = etcd.add_watch_prefix_callback("/others/", heard.put)
        etcd.put("/anotherkey", "x")
        expect(heard.get(timeout=WAIT_SECONDS).events[0].value, b"x", "the event of the key")
        etcd.put("/others/1", "y")
        expect(heard.get(timeout=WAIT_SECONDS).events[0].key, b"/others/1", "the event of the prefix")
        etcd.cancel_watch(one)
        etcd.put("/anotherkey", "unheard")
        etcd.put("/others/2", "z")
        expect(heard.get(timeout=WAIT_SECONDS).events[0].key, b"/others/2", "nothing of a watch that was cancelled")
        etcd.cancel_watch(many)

    def watches_once(self):
        etcd = self.etcd
        expect_raises(etcd3.exceptions.WatchTimedOut, lambda: etcd.watch_once("/quiet", timeout=0.2))
        threading.Timer(0.1, lambda: etcd.put("/loud", "boom")).start()
        expect(etcd.watch_once("/loud", timeout=WAIT_SECONDS).value, b"boom", "the one event")

    def watches_many(self):
        etcd, heard = self.etcd, queue.Queue()
        watches = [etcd.add_watch_callback(f"/many/{i}", heard.put) for i in range(100)]
        for i in range(100):
            etcd.put(f"/many/{i}", str(i))
        keys = {heard.get(timeout=WAIT_SECONDS).events[0].key for _ in range(100)}
        expect(len(keys), 100, "watches on one stream that heard of their key")
        for watch in watches:
            etcd.cancel_watch(watch)

    def is_told_of_compaction(self):
        etcd = self.etcd
        old = etcd.put("/compacted", "1").header.revision
        now = etcd.put("/compacted", "2").header.revision
        etcd.compact(now, physical=True)
        events, cancel = etcd.watch("/compacted", start_revision=old)
        expect_raises(etcd3.exceptions.RevisionCompactedError, lambda: next(iter(events)))
        cancel()
        expect_refused(lambda: etcd.compact(old), grpc.StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted")
        expect_refused(lambda: etcd.compact(now + 1000), grpc.StatusCode.OUT_OF_RANGE,
                       "etcdserver: mvcc: required revision is a future revision")

    # ------------------------------------------------------------------------------------------- leases and locks

    def leases(self):
        etcd = self.etcd
        lease = etcd.lease(100)
        etcd.put("/leased/1", "a", lease=lease)
        etcd.put("/leased/2", "b", lease.id)
        etcd.put("/leased/2", "b", lease=lease.id)
        expect(etcd.get("/leased/1")[1].lease_id, lease.id, "the lease of a key")
        expect(sorted(lease.keys), [b"/leased/1", b"/leased/2"], "the keys of a lease")
        expect(lease.granted_ttl, 100, "seconds granted")
        expect(90 <= lease.remaining_ttl <= 100, True, "seconds left")
        expect([answer.TTL for answer in etcd.refresh_lease(lease.id)], [100], "the renewed lease")
        expect(lease.refresh()[0].ID, lease.id, "the lease that was renewed")
        lease.revoke()
        expect(list(etcd.get_prefix("/leased/")), [], "keys of a revoked lease")
        expect(etcd.get_lease_info(lease.id).TTL, -1, "seconds left of a revoked lease")
        expect_refused(lease.revoke, grpc.StatusCode.NOT_FOUND, "etcdserver: requested lease not found")
        expect_refused(lambda: etcd.put("/leased/3", "c", lease=lease), grpc.StatusCode.NOT_FOUND, "etcdserver: requested lease not found")
        own = etcd.lease(100, lease_id=4711)
        expect(own.id, 4711, "an id of one's own")
        expect_raises(etcd3.exceptions.PreconditionFailedError, lambda: etcd.lease(100, lease_id=4711))
        own.revoke()

    def lets_leases_expire(self):
        etcd = self.etcd
        short = etcd.lease(1)
        etcd.put("/short", "lived", lease=short)
        events, cancel = etcd.watch("/short", start_revision=etcd.get("/short")[1].mod_revision + 1)
        event = next(iter(events))
        cancel()
        expect(type(event).__name__, "DeleteEvent", "the event of an expired lease")
        expect(etcd.get("/short"), (None, None), "the key of an expired lease")

    def locks(self):
        etcd = self.etcd
        lock, other = etcd.lock("thing", ttl=20), etcd.lock("thing", ttl=20)
        expect(lock.acquire(), True, "a free lock")
        expect((lock.is_acquired(), other.is_acquired()), (True, False), "who has it")
        # Waiting for a lock is broken in the client itself with Debian's tenacity; what it would try is this.
        expect(etcd.put_if_not_exists(other.key, other.uuid), False, "a lock that is taken")
        expect(lock.refresh()[0].TTL, 20, "the lease of a lock")
        threading.Timer(0.1, lock.release).start()
        expect(type(etcd.watch_once(lock.key, timeout=WAIT_SECONDS)).__name__, "DeleteEvent", "what who waits for the lock sees")
        expect(other.acquire(), True, "the lock when it is released")
        expect(other.release(), True, "the release")
        with etcd.lock("doot-machine") as held:
            expect(held.is_acquired(), True, "the lock of a block")
        expect(held.is_acquired(), False, "the lock after its block")

    # ------------------------------------------------------------------------------------------- the server

    def knows_the_member(self):
        members = list(self.etcd.members)
        expect([member.name for member in members], ["default"], "members")
        expect((len(members[0].peer_urls) > 0, len(members[0].client_urls) > 0), (True, True), "URLs of the member")
        expect(list(members[0].active_alarms), [], "alarms of the member")
        expect_refused(lambda: self.etcd.remove_member(4711), grpc.StatusCode.NOT_FOUND, "etcdserver: member not found")
        status = self.etcd.status()
        expect(status.leader.id, members[0].id, "the leader")
        expect((status.version.count("."), status.db_size > 0, status.raft_index > 0, status.raft_term > 0), (2, True, True, True), "status")

    def raises_alarms(self):
        etcd = self.etcd
        expect([alarm.alarm_type for alarm in etcd.create_alarm()], [etcd3.etcdrpc.NOSPACE], "the alarm raised")
        expect(len(list(etcd.list_alarms())), 1, "alarms")
        expect_refused(lambda: etcd.put("/full", "x"), grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded")
        expect(etcd.delete("/doot/key"), True, "a delete in spite of the alarm")
        expect(len(etcd.disarm_alarm()), 1, "alarms taken back")
        expect(list(etcd.list_alarms()), [], "alarms left")
        etcd.put("/full", "no more")

    def takes_snapshots(self):
        copy = io.BytesIO()
        self.etcd.snapshot(copy)
        bytes_ = copy.getvalue()
        expect(bytes_[16:20], BOLT_MAGIC, "the beginning of a database")
        expect(hashlib.sha256(bytes_[:-32]).digest(), bytes_[-32:], "the sum at the end")
        expect(self.etcd.hash() > 0, True, "a hash")
        self.etcd.defragment()
        expect(self.etcd.get("/full")[0], b"no more", "what is there after defragmentation")

    def is_told_when_nobody_is_there(self):
        nobody = etcd3.client(**dict(self.place, port=1, timeout=2))
        expect_raises(etcd3.exceptions.ConnectionFailedError, lambda: nobody.get("x"))
        with socket.create_server(("127.0.0.1", 0)) as mute:
            unheard = etcd3.client(**dict(self.place, port=mute.getsockname()[1], timeout=0.5))
            expect_raises(etcd3.exceptions.ConnectionTimeoutError, lambda: unheard.get("x"))

    def works_in_threads(self):
        etcd = self.etcd
        def work(name):
            for i in range(50):
                etcd.put(f"/threads/{name}/{i}", str(i))
                expect(etcd.get(f"/threads/{name}/{i}")[0], str(i).encode(), "what the thread put")
        failures = []
        def guarded(name):
            try:
                work(name)
            except Exception as error:  # told by the main thread
                failures.append(error)
        threads = [threading.Thread(target=guarded, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(failures, [], "failures of threads")
        expect(len(list(etcd.get_prefix("/threads/"))), 400, "what eight threads put")

    # ------------------------------------------------------------------------------------------- users

    def log_in(self, user, password):
        client = etcd3.client(**self.place, user=user, password=password)
        if not client.uses_secure_channel:
            # gRPC gives no credentials to a plain channel; the client sends the token as metadata anyway.
            client.call_credentials = None
            client.watcher = etcd3.watch.Watcher(etcd3.etcdrpc.WatchStub(client.channel), timeout=client.timeout, metadata=client.metadata)
        return client

    def knows_users(self):
        """Last: it ends with authentication switched off again."""
        rpc, etcd = etcd3.etcdrpc, self.etcd
        auth = rpc.AuthStub(etcd.channel)
        for name in ("root", "alice"):
            auth.UserAdd(rpc.AuthUserAddRequest(name=name, password=name + "'s"))
        auth.RoleAdd(rpc.AuthRoleAddRequest(name="root"))
        auth.UserGrantRole(rpc.AuthUserGrantRoleRequest(user="root", role="root"))
        auth.RoleAdd(rpc.AuthRoleAddRequest(name="reader"))
        allowed = auth_pb2.Permission(permType=auth_pb2.Permission.READ, key=b"/doot/", range_end=b"/doot0")
        auth.RoleGrantPermission(rpc.AuthRoleGrantPermissionRequest(name="reader", perm=allowed))
        auth.UserGrantRole(rpc.AuthUserGrantRoleRequest(user="alice", role="reader"))
        auth.AuthEnable(rpc.AuthEnableRequest())
        root = self.log_in("root", "root's")
        try:
            alice = self.log_in("alice", "alice's")
            root.put("/doot/secret", "42")
            root.put("/other", "43")
            expect(alice.get("/doot/secret")[0], b"42", "what alice may read")
            denied = (grpc.StatusCode.PERMISSION_DENIED, "etcdserver: permission denied")
            expect_refused(lambda: alice.get("/other"), *denied)
            expect_refused(lambda: alice.put("/doot/secret", "44"), *denied)
            # A client certificate names a user, one that the server does not know.
            nobody = denied if self.place["cert_cert"] else (grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: user name is empty")
            expect_refused(lambda: etcd.get("/doot/secret"), *nobody)
            expect_refused(lambda: self.log_in("alice", "bob's"), grpc.StatusCode.INVALID_ARGUMENT,
                           "etcdserver: authentication failed, invalid user ID or password")
            events, cancel = alice.watch("/doot/secret")
            root.put("/doot/secret", "45")
            expect(next(iter(events)).value, b"45", "what alice may watch")
            cancel()
        finally:
            rpc.AuthStub(root.channel).AuthDisable(rpc.AuthDisableRequest(), metadata=root.metadata)
        for name in ("root", "alice"):
            auth.UserDelete(rpc.AuthUserDeleteRequest(name=name))
        for name in ("root", "reader"):
            auth.RoleDelete(rpc.AuthRoleDeleteRequest(role=name))
        expect(etcd.get("/doot/secret")[0], b"45", "a read without a user, with authentication off")


SECTIONS = (Tour.puts_and_gets, Tour.reads_ranges, Tour.deletes, Tour.replaces_guarded, Tour.transacts, Tour.watches_a_key,
            Tour.watches_prefixes_from_revisions, Tour.calls_back, Tour.watches_once, Tour.watches_many, Tour.is_told_of_compaction, Tour.leases,
            Tour.lets_leases_expire, Tour.locks, Tour.knows_the_member, Tour.raises_alarms, Tour.takes_snapshots,
            Tour.is_told_when_nobody_is_there, Tour.works_in_threads, Tour.knows_users)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--ca")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    tour = Tour(parser.parse_args())
    for section in SECTIONS:
        start = time.monotonic()
        section(tour)
        print(f"  {section.__name__.replace('_', ' ')}: {time.monotonic() - start:.2f} s", flush=True)


if __name__ == "__main__":
    main()
