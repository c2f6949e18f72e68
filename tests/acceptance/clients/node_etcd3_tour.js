// npm's etcd3 used as its documentation shows, section by section, against whatever listens at the endpoint.
//
//   NODE_PATH=build/clients/node_modules node node_etcd3_tour.js --endpoint 127.0.0.1:2379 [--ca ca.pem [--cert client.pem --key client.key]]
//
// What it asserts holds for etcd 3.4 as well.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const { noop } = require('cockatiel');
const etcd3 = require('etcd3');

const WAIT_MILLIS = 20000;
// By default the client leaves a host alone for a while after three failures.
const untiring = { faultHandling: { host: () => noop, global: noop } };

function parseArguments() {
  const found = {};
  for (let i = 2; i + 1 < process.argv.length; i += 2) {
    found[process.argv[i].replace('--', '')] = process.argv[i + 1];
  }
  return found;
}

const asked = parseArguments();

function place(more = {}) {
  const scheme = asked.ca ? 'https' : 'http';
  const credentials = asked.ca && {
    rootCertificate: fs.readFileSync(asked.ca),
    ...(asked.cert && { privateKey: fs.readFileSync(asked.key), certChain: fs.readFileSync(asked.cert) }),
  };
  return { hosts: `${scheme}://${asked.endpoint}`, ...(credentials && { credentials }), ...more };
}

async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${WAIT_MILLIS} ms`)), WAIT_MILLIS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// As many events of a watcher as asked for: [kind, key, value, previous value].
function gather(watcher, count) {
  const seen = [];
  const done = new Promise((resolve, reject) => {
    const take = kind => (kv, previous) => {
      seen.push([kind, kv.key.toString(), kv.value.toString(), previous ? previous.value.toString() : '']);
      if (seen.length === count) {
        resolve(seen);
      }
    };
    watcher.on('put', take('put')).on('delete', take('delete')).on('error', reject);
  });
  return within(done, `${count} events`);
}

// ------------------------------------------------------------------------------------------- keys

async function putsAndGets(client) {
  await client.put('foo').value('bar');
  assert.equal(await client.get('foo').string(), 'bar');
  assert.equal(await client.get('nothing').string(), null);
  assert.equal(await client.get('foo').exists(), true);
  await client.put('number').value(42);
  assert.equal(await client.get('number').number(), 42);
  await client.put('json').value(JSON.stringify({ deep: [1, 2] }));
  assert.deepEqual(await client.get('json').json(), { deep: [1, 2] });
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await client.put(bytes).value(bytes);
  assert.deepEqual(await client.get(bytes).buffer(), bytes);
  const previous = await client.put('foo').value('again').getPrevious();
  assert.equal(previous.value.toString(), 'bar');
  await client.put('foo').touch();
  assert.equal(await client.get('foo').string(), 'again');
  const large = 'x'.repeat(1000000);
  await client.put('large').value(large);
  assert.equal(await client.get('large').string(), large);
}

async function readsRanges(client) {
  await Promise.all(Array.from({ length: 300 }, (_, i) => client.put(`range/${String(i).padStart(3, '0')}`).value(299 - i)));
  assert.equal(await client.getAll().prefix('range/').count(), 300);
  const all = await client.getAll().prefix('range/').numbers();
  assert.equal(all['range/010'], 289);
  assert.deepEqual(await client.getAll().prefix('range/').sort('Key', 'Descend').limit(2).keys(), ['range/299', 'range/298']);
  assert.deepEqual(await client.getAll().inRange({ start: 'range/005', end: 'range/007' }).strings(), { 'range/005': '294', 'range/006': '293' });
  const old = await client.getAll().prefix('range/').limit(1).exec();
  assert.equal(old.more, true);
  assert.equal(old.count, '300');
}

async function deletes(client) {
  assert.equal((await client.delete().key('range/000').exec()).deleted, '1');
  assert.equal((await client.delete().key('range/000').exec()).deleted, '0');
  const gone = await client.delete().range(client.range({ start: 'range/001', end: 'range/003' })).getPrevious();
  assert.deepEqual(gone.map(kv => kv.value.toString()), ['298', '297']);
  assert.equal((await client.delete().prefix('range/').exec()).deleted, '297');
}

async function transacts(client) {
  await client.put('guard').value('1');
  const ask = () => client.if('guard', 'Value', '==', '1').and('absent', 'Create', '==', 0).then(client.put('guard').value('2'), client.get('guard'))
    .else(client.get('guard')).commit();
  const first = await ask();
  assert.equal(first.succeeded, true);
  assert.equal(first.responses[1].response_range.kvs[0].value.toString(), '2');
  const second = await ask();
  assert.equal(second.succeeded, false);
  assert.equal(second.responses[0].response_range.kvs[0].value.toString(), '2');
}

async function contends(client) {
  await client.put('counter').value(0);
  const add = () => client.stm({ retries: 100 }).transact(async tx => {
    const value = await tx.get('counter').number();
    await tx.put('counter').value(value + 1);
  });
  await Promise.all(Array.from({ length: 10 }, add));
  assert.equal(await client.get('counter').number(), 10, 'additions of ten transactions that met');
}

async function keepsToItsNamespace(client) {
  const ours = client.namespace('user1/');
  await ours.put('key').value('mine');
  assert.equal(await ours.get('key').string(), 'mine');
  assert.equal(await client.get('user1/key').string(), 'mine');
  await ours.delete().all();
  assert.equal(await client.get('user1/key').string(), null);
  assert.equal(await client.get('foo').string(), 'again');
}

// ------------------------------------------------------------------------------------------- watches

async function watches(client) {
  const watcher = await client.watch().prefix('watched/').withPreviousKV().create();
  const events = gather(watcher, 3);
  await client.put('watched/a').value('1');
  await client.put('watched/a').value('2');
  await client.delete().key('watched/a').exec();
  assert.deepEqual(await events, [['put', 'watched/a', '1', ''], ['put', 'watched/a', '2', '1'], ['delete', 'watched/a', '', '2']]);
  await watcher.cancel();
}

async function watchesFromRevisions(client) {
  const before = (await client.put('history').value('1')).header.revision;
  await client.put('history').value('2');
  const watcher = await client.watch().key('history').startRevision(before).create();
  const events = gather(watcher, 3);
  await client.put('history').value('3');
  assert.deepEqual((await events).map(event => event[2]), ['1', '2', '3']);
  await watcher.cancel();
}

async function watchesWhatIsWanted(client) {
  const watcher = await client.watch().prefix('picky/').only('delete').create();
  const events = gather(watcher, 2);
  for (const key of ['picky/a', 'picky/b']) {
    await client.put(key).value('x');
    await client.delete().key(key).exec();
  }
  assert.deepEqual((await events).map(event => event.slice(0, 2)), [['delete', 'picky/a'], ['delete', 'picky/b']]);
  await watcher.cancel();
}

async function watchesMany(client) {
  const watchers = await Promise.all(Array.from({ length: 100 }, (_, i) => client.watch().key(`many/${i}`).create()));
  const events = Promise.all(watchers.map(watcher => gather(watcher, 1)));
  await Promise.all(watchers.map((_, i) => client.put(`many/${i}`).value(i)));
  assert.deepEqual((await events).map(seen => seen[0][2]), watchers.map((_, i) => String(i)));
  await Promise.all(watchers.map(watcher => watcher.cancel()));
}

async function isToldOfCompaction(client) {
  const old = (await client.put('compacted').value('1')).header.revision;
  const now = (await client.put('compacted').value('2')).header.revision;
  await client.kv.compact({ revision: now, physical: true });
  await assert.rejects(client.getAll().all().revision(old).strings(), /required revision has been compacted/);
}

// ------------------------------------------------------------------------------------------- leases, locks, elections

async function leases(client) {
  const lease = client.lease(100);
  await lease.put('leased').value('x');
  const id = await lease.grant();
  const { kvs } = await client.get('leased').exec();
  assert.equal(kvs[0].lease, id);
  assert.equal((await lease.keepaliveOnce()).TTL, '100');
  const left = await client.leaseClient.leaseTimeToLive({ ID: id, keys: true });
  assert.deepEqual([left.grantedTTL, left.keys.map(String)], ['100', ['leased']]);
  const { leases: all } = await client.leaseClient.leaseLeases();
  assert.ok(all.some(each => each.ID === id));
  await lease.revoke();
  assert.equal(await client.get('leased').string(), null);
  const kept = client.lease(3);
  await kept.grant();
  await within(once(kept, 'keepaliveSucceeded'), 'a renewal by itself');
  await kept.revoke();
  const lost = client.lease(60);
  await client.leaseClient.leaseRevoke({ ID: await lost.grant() });
  const told = within(once(lost, 'lost'), 'word of the lost lease');
  await lost.keepaliveOnce().catch(() => {});
  assert.ok((await told)[0] instanceof etcd3.EtcdLeaseInvalidError);
}

async function locks(client) {
  const lock = await client.lock('thing').ttl(20).acquire();
  await assert.rejects(client.lock('thing').ttl(20).acquire(), etcd3.EtcdLockFailedError);
  await lock.release();
  const did = await client.lock('thing').do(async () => 'work');
  assert.equal(did, 'work');
}

async function elects(client) {
  const election = client.election('singleton', 20);
  const first = election.campaign('one');
  await within(first.wait(), 'the first candidate');
  const observer = await election.observe();
  assert.equal(observer.leader(), 'one');
  assert.equal(await election.leader(), 'one');
  await first.proclaim('still one');
  const second = client.election('singleton', 20).campaign('two');
  const elected = within(once(second, 'elected'), 'the second candidate');
  await first.resign();
  await elected;
  assert.equal(await election.leader(), 'two');
  await observer.cancel();
  await second.resign();
  assert.equal(await election.leader(), undefined);
}

// ------------------------------------------------------------------------------------------- the server

async function knowsTheServer(client) {
  const status = await client.maintenance.status();
  assert.match(status.version, /^3\.\d+\.\d+$/);
  assert.ok(Number(status.dbSize) > 0);
  const { members } = await client.cluster.memberList({});
  assert.deepEqual(members.map(member => [member.name, member.ID]), [['default', status.leader]]);
  assert.deepEqual((await client.maintenance.alarm({ action: 'Get' })).alarms, []);
  assert.ok((await client.maintenance.hash()).hash > 0);
  await client.maintenance.defragment();
}

async function raisesAlarms() {
  const client = new etcd3.Etcd3(place(untiring));
  const raised = await client.maintenance.alarm({ action: 'Activate', alarm: 'Nospace', memberID: 0 });
  assert.equal(raised.alarms.length, 1);
  await assert.rejects(client.put('full').value('x').exec(), etcd3.GRPCResourceExhastedError);
  await client.maintenance.alarm({ action: 'Deactivate', alarm: 'Nospace', memberID: 0 });
  await client.put('full').value('no more');
  client.close();
}

async function takesSnapshots(client) {
  const stream = await client.maintenance.snapshot();
  const pieces = [];
  stream.on('data', piece => pieces.push(piece.blob));
  await within(once(stream, 'end'), 'the end of the snapshot');
  const copy = Buffer.concat(pieces);
  assert.equal(copy.readUInt32LE(16), 0xed0cdaed, 'the beginning of a database');
  const sum = require('node:crypto').createHash('sha256').update(copy.subarray(0, -32)).digest();
  assert.deepEqual(sum, copy.subarray(-32), 'the sum at the end');
}

async function isToldWhenNobodyIsThere() {
  const nobody = new etcd3.Etcd3(place({ hosts: `${asked.ca ? 'https' : 'http'}://127.0.0.1:1`, ...untiring }));
  await assert.rejects(nobody.get('x').string(), etcd3.GRPCUnavailableError);
  nobody.close();
  await assert.rejects(nobody.get('x').string(), etcd3.ClientClosedError);
}

// ------------------------------------------------------------------------------------------- users

// Last: it ends with authentication switched off again.
async function knowsUsers(client) {
  const rootRole = await client.role('root').create();
  const rootUser = await client.user('root').create("root's");
  await rootUser.addRole(rootRole);
  const reader = await client.role('reader').create();
  await reader.grant({ permission: 'Read', range: client.range({ prefix: 'open/' }) });
  await assert.rejects(client.role('reader').create(), etcd3.EtcdRoleExistsError);
  const alice = await client.user('alice').create('wrong');
  await alice.setPassword("alice's");
  await alice.addRole('reader');
  assert.deepEqual((await client.getUsers()).map(user => user.name).sort(), ['alice', 'root']);
  assert.deepEqual((await client.getRoles()).map(role => role.name).sort(), ['reader', 'root']);
  assert.deepEqual((await alice.roles()).map(role => role.name), ['reader']);
  const [permission] = await reader.permissions();
  assert.deepEqual([permission.permission, permission.range.start.toString(), permission.range.end.toString()], ['Read', 'open/', 'open0']);
  await client.auth.authEnable();
  const asRoot = new etcd3.Etcd3(place({ auth: { username: 'root', password: "root's" } }));
  const asAlice = new etcd3.Etcd3(place({ auth: { username: 'alice', password: "alice's" } }));
  const asNobody = new etcd3.Etcd3(place({ auth: { username: 'alice', password: 'wrong' } }));
  try {
    await asRoot.put('open/a').value('1');
    await asRoot.put('closed').value('2');
    assert.equal(await asAlice.get('open/a').string(), '1');
    await assert.rejects(asAlice.get('closed').string(), etcd3.EtcdPermissionDeniedError);
    await assert.rejects(asAlice.put('open/a').value('3').exec(), etcd3.EtcdPermissionDeniedError);
    await assert.rejects(asNobody.get('open/a').string(), etcd3.EtcdAuthenticationFailedError);
    const watcher = await asAlice.watch().key('open/a').create();
    const events = gather(watcher, 1);
    await asRoot.put('open/a').value('4');
    assert.equal((await events)[0][2], '4');
    await watcher.cancel();
  } finally {
    await asRoot.auth.authDisable();
    for (const each of [asRoot, asAlice, asNobody]) {
      each.close();
    }
  }
  for (const each of [client.user('alice'), client.user('root'), client.role('reader'), client.role('root')]) {
    await each.delete();
  }
}

const SECTIONS = [putsAndGets, readsRanges, deletes, transacts, contends, keepsToItsNamespace, watches, watchesFromRevisions, watchesWhatIsWanted,
  watchesMany, isToldOfCompaction, leases, locks, elects, knowsTheServer, raisesAlarms, takesSnapshots, isToldWhenNobodyIsThere, knowsUsers];

async function main() {
  const client = new etcd3.Etcd3(place());
  for (const section of SECTIONS) {
    const start = Date.now();
    await section(client);
    console.log(`  ${section.name.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`)}: ${((Date.now() - start) / 1000).toFixed(2)} s`);
  }
  client.close();
}

main().then(() => process.exit(0), error => {
  console.error(error);
  process.exit(1);
});
