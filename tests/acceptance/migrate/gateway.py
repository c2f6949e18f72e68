"""Gateway: a client of an etcd's JSON gateway, quick enough for some thousand requests; and a random load through it."""

import base64
import http.client
import json
import random


def coded(text):
    return base64.b64encode(text.encode()).decode()


class Gateway:
    """One connection. Answers are (status, object); a refused request is an answer."""

    def __init__(self, endpoint):
        self.connection = http.client.HTTPConnection(endpoint, timeout=30)
        self.token = None

    def call(self, path, **body):
        headers = {"Authorization": self.token} if self.token else {}
        self.connection.request("POST", "/v3/" + path, json.dumps(body), headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")

    def need(self, path, **body):
        status, answer = self.call(path, **body)
        if status != 200:
            raise RuntimeError(f"{path} {body}: {status} {answer}")
        return answer

    def login(self, name, password):
        self.token = None
        self.token = self.need("auth/authenticate", name=name, password=password)["token"] if name else None


class Load:
    """Random requests of every kind that etcd logs, failing ones among them."""

    KEYS = 40

    def __init__(self, endpoint, seed):
        self.gateway = Gateway(endpoint)
        self.random = random.Random(seed)
        self.leases = []
        self.compactions = True
        self.compacted = 0
        self.logins = []
        self.member = self.gateway.need("maintenance/status")["header"]["member_id"]

    def key(self):
        return f"key/{self.random.randrange(self.KEYS):02}"

    def put(self, key=None):
        request = {"key": coded(key or self.key()), "value": coded("v" * self.random.randrange(60) + str(self.random.random()))}
        chance = self.random.random()
        if chance < 0.2 and self.leases:
            request["lease"] = self.random.choice(self.leases)
        elif chance < 0.25:
            request["lease"] = 4711  # there is none
        elif chance < 0.3:
            request.update(ignore_value=True, value="")
        elif chance < 0.35:
            request["ignore_lease"] = True
        request["prev_kv"] = self.random.random() < 0.2
        return request

    def erase(self):
        first, second = sorted([self.key(), self.key()])
        request = {"key": coded(first)}
        if self.random.random() < 0.3:
            request["range_end"] = coded(second)
        return request

    def operation(self, key, depth):
        chance = self.random.random()
        if chance < 0.2 and depth < 3:
            return {"request_txn": self.txn(depth + 1)}
        if chance < 0.35:
            return {"request_delete_range": {"key": coded(key)}}
        if chance < 0.45:
            return {"request_range": {"key": coded(key)}}
        request = self.put(key)
        request.pop("lease", None)  # a lease that is gone, deep inside, ends etcd 3.4
        request.pop("ignore_value", None)
        request.pop("ignore_lease", None)
        return {"request_put": request}

    def txn(self, depth=0):
        def branch():
            keys = self.random.sample(range(self.KEYS), self.random.randrange(4))
            return [self.operation(f"key/{n:02}" if depth == 0 else f"deep{depth}/{n}", depth) for n in keys]

        compare = {"key": coded(self.key()), "target": self.random.choice(["VERSION", "CREATE", "MOD"]),
                   "result": self.random.choice(["EQUAL", "GREATER", "LESS", "NOT_EQUAL"])}
        compare[{"VERSION": "version", "CREATE": "create_revision", "MOD": "mod_revision"}[compare["target"]]] = self.random.randrange(4)
        return {"compare": [compare], "success": branch(), "failure": branch()}

    def lease(self):
        chance = self.random.random()
        if chance < 0.6 or not self.leases:
            status, answer = self.gateway.call("lease/grant", TTL=self.random.choice([1, 600, 3600, 100_000]) + 600, ID=0)
            if status == 200:
                self.leases.append(answer["ID"])
        elif chance < 0.7:
            self.gateway.call("lease/grant", TTL=600, ID=self.random.choice(self.leases))  # exists
        else:
            self.gateway.call("lease/revoke", ID=self.random.choice(self.leases))  # again, at times

    def compact(self):
        revision = int(self.gateway.need("kv/range", key=coded("none"))["header"]["revision"]) if not self.logins else 0
        self.compacted = max(self.compacted, revision - self.random.randrange(20))
        self.gateway.call("kv/compaction", revision=max(self.compacted, 1))

    def alarm(self, action, kind="NOSPACE"):
        self.gateway.need("maintenance/alarm", action=action, memberID=self.member, alarm=kind)

    def switch_user(self):
        if self.logins:
            self.gateway.login(*self.random.choice(self.logins))

    def users(self, count):
        """Users and roles come, change and go; authentication goes on, so that later requests are judged."""
        call, need = self.gateway.call, self.gateway.need
        need("auth/user/add", name="root", password="r")
        need("auth/user/grant", user="root", role="root")
        for i in range(count):
            name = f"user{i}"
            need("auth/user/add", name=name, password=f"p{i}")
            need("auth/role/add", name=f"role{i}")
            need("auth/role/grant", name=f"role{i}", perm={"permType": ["READ", "WRITE", "READWRITE"][i % 3], "key": coded(f"key/{i}"), "range_end": coded("key/30")})
            need("auth/user/grant", user=name, role=f"role{i}")
            self.logins.append((name, f"p{i}"))
        need("auth/user/changepw", name="user0", password="changed")
        self.logins[0] = ("user0", "changed")
        call("auth/user/add", name="user1", password="again")  # exists
        need("auth/user/add", name="goes", password="x")
        need("auth/user/delete", name="goes")
        need("auth/role/add", name="goes")
        need("auth/user/grant", user="user2", role="goes")
        need("auth/role/delete", role="goes")
        need("auth/user/revoke", name="user1", role="role1")
        need("auth/role/revoke", role="role2", key=coded("key/2"), range_end=coded("key/30"))
        need("auth/role/grant", name="role2", perm={"permType": "WRITE", "key": coded("key/1"), "range_end": coded("key/2")})
        need("auth/enable")
        self.logins += [("root", "r")] * count

    def run(self, count):
        for _ in range(count):
            if self.random.random() < 0.05:
                self.switch_user()
            chance = self.random.random()
            if chance < 0.5:
                self.gateway.call("kv/put", **self.put())
            elif chance < 0.62:
                self.gateway.call("kv/deleterange", **self.erase())
            elif chance < 0.85:
                self.gateway.call("kv/txn", **self.txn())
            elif chance < 0.97:
                self.lease()
            elif self.compactions:
                self.compact()
