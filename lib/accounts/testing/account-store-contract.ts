import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { uuidV7 } from '../../common/uuid.js';
import { EmailTakenError } from '../account.errors.js';
import type { Account } from '../account.types.js';
import type { AccountStore } from '../store/account.store.js';

/** One requirement of `AccountStore`, for any test runner: `for (const { name, run } of …) it(name, run)`. */
export interface ContractTest {
  readonly name: string;
  /** Rejects where the store does not meet it. */
  run(): Promise<void>;
}

const AT_ONCE = 20;

/** @param store the store under test; each test makes accounts of its own in it */
export function accountStoreContract(store: () => AccountStore): ContractTest[] {
  const add = async (given: Partial<Account> = {}) => {
    const account = { ...newAccount(), ...given };
    assert.equal(await store().insert(account), true);
    return account;
  };
  const rules: Record<string, () => Promise<void>> = {
    'finds an account by id and by e-mail key, exactly as it was inserted': async () => {
      const account = await add({ role: 'admin', verifiedAt: new Date(1_764_633_600_123) });
      assertSame(await store().findById(account.id), account);
      assertSame(await store().findByEmail(account.emailKey), account);
    },
    'answers null for what it does not know': async () => {
      for (const id of [newAccount().id, 'no-id-of-any-account', '']) assert.equal(await store().findById(id), null);
      assert.equal(await store().findByEmail(newAccount().emailKey), null);
      assert.equal(await store().change(newAccount().id, async () => assert.fail('called')), null);
    },
    'inserts no second account with the same e-mail key': async () => {
      const account = await add();
      assert.equal(await store().insert({ ...newAccount(), emailKey: account.emailKey }), false);
      assertSame(await store().findByEmail(account.emailKey), account);
    },
    'inserts one of many with the same e-mail key at once': async () => {
      const { emailKey } = newAccount();
      const accounts = Array.from({ length: AT_ONCE }, () => ({ ...newAccount(), emailKey }));
      const inserted = await Promise.all(accounts.map(account => store().insert(account)));
      assert.equal(inserted.filter(Boolean).length, 1);
      assertSame(await store().findByEmail(emailKey), accounts[inserted.indexOf(true)]!);
    },
    'updates what is given, and nothing else': async () => {
      const account = await add();
      const changes = { passwordHash: 'another', verifiedAt: new Date(1_764_633_600_000), role: 'admin' };
      await store().update(account.id, changes);
      assertSame(await store().findById(account.id), { ...account, ...changes });
      await store().update(account.id, { verifiedAt: null });
      assertSame(await store().findById(account.id), { ...account, ...changes, verifiedAt: null });
    },
    'refuses an e-mail key that another account has, and changes nothing': async () => {
      const [one, two] = [await add(), await add()];
      const move = store().change(one.id, (_, transaction) =>
        store().update(one.id, { email: two.email, emailKey: two.emailKey }, transaction),
      );
      await assert.rejects(move, EmailTakenError);
      assertSame(await store().findById(one.id), one);
    },
    'hands an account to one caller at a time, each with what the one before it left': async () => {
      const account = await add({ role: '0' });
      const raise = () =>
        store().change(account.id, async ({ role }, transaction) => {
          await store().update(account.id, { role: String(Number(role) + 1) }, transaction);
          return role;
        });
      const seen = await Promise.all(Array.from({ length: AT_ONCE }, raise));
      assert.equal((await store().findById(account.id))?.role, String(AT_ONCE));
      assert.equal(new Set(seen).size, AT_ONCE);
    },
    'undoes what a change wrote when it throws': async () => {
      const account = await add();
      const change = store().change(account.id, async (_, transaction) => {
        await store().update(account.id, { role: 'lost' }, transaction);
        throw new Error('changed its mind');
      });
      await assert.rejects(change, /changed its mind/);
      assertSame(await store().findById(account.id), account);
    },
    'removes accounts that are old and unused, and no others': async () => {
      const created = new Date(1_600_000_000_000);
      const used = new Date(1_600_000_000_001);
      const unused = await add({ createdAt: created });
      const others = [
        await add({ createdAt: created, verifiedAt: used }),
        await add({ createdAt: created, firstLogInAt: used }),
        await add({ createdAt: created, disabledAt: used }),
        await add({ createdAt: used }),
      ];
      assert.ok((await store().removeUnused(used)) >= 1);
      assert.equal(await store().findById(unused.id), null);
      for (const account of others) assertSame(await store().findById(account.id), account);
    },
    'finds the oldest accounts': async () => {
      await add();
      const oldest = await store().findOldest(1);
      assert.equal(oldest.length, 1);
      assertSame(await store().findById(oldest[0]!.id), oldest[0]!);
      assert.ok(oldest[0]!.passwordHash);
    },
    'removes an account, and its e-mail key is free again': async () => {
      const account = await add();
      await store().change(account.id, (_, transaction) => store().remove(account.id, transaction));
      assert.equal(await store().findById(account.id), null);
      await store().remove(account.id);
      await add({ email: account.email, emailKey: account.emailKey });
    },
  };
  return Object.entries(rules).map(([name, run]) => ({ name: `an account store ${name}`, run }));
}

function newAccount(): Account {
  const name = randomBytes(8).toString('hex');
  return {
    id: uuidV7(Date.now()),
    email: `Ada.${name}@example.com`,
    emailKey: `ada.${name}@example.com`,
    passwordHash: '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaA',
    role: 'user',
    verifiedAt: null,
    disabledAt: null,
    firstLogInAt: null,
    createdAt: new Date(1_764_633_600_000),
  };
}

/** A store may know more of an account than is asked for here. */
function assertSame(found: Account | null, expected: Account): void {
  assert.ok(found, 'the account is not found');
  const members = Object.keys(expected) as (keyof Account)[];
  assert.deepEqual(Object.fromEntries(members.map(member => [member, found[member]])), { ...expected });
}
