// The queues of npm, by their own APIs. Prints the microseconds and the bytes of WAL of each message; what is timed begins with a
// connection that is there and ends when the last message is done for good.
//
//   queues.mjs PACKAGES make|at-once|drain|steps SIDE MESSAGES       PGHOST, PGPORT, PGUSER and PGDATABASE say where
import { createRequire } from 'node:module';

const [packages, what, side, count] = process.argv.slice(2);
const messages = Number(count);
const require = createRequire(`${packages}/package.json`);
const { Pool } = require('pg');
const pool = new Pool({ max: 10 });
const fail = (error) => { throw error; };
pool.on('error', fail);
pool.on('connect', (client) => client.on('error', fail));
const payload = (n) => ({ n, text: 'x'.repeat(100) });

const graphile = {
    make: () => require('graphile-worker').runMigrations({ pgPool: pool }),
    // In batches, with as many jobs at a time as the other queues take.
    async drain() {
        let done = 0;
        let finished;
        const all = new Promise((resolve) => { finished = resolve; });
        const runner = await require('graphile-worker').run({
            pgPool: pool,
            noHandleSignals: true,
            logger: new (require('graphile-worker').Logger)(() => () => {}),
            preset: { worker: { concurrentJobs: 100, localQueue: { size: 100 }, completeJobBatchDelay: 0 } },
            taskList: { op: async () => { if (++done === messages) finished(); } },
        });
        await all;
        await runner.stop();
        return done;
    },
    // Each job is a step of an instance, and adds the job of the next.
    async steps() {
        await pool.query('SELECT bench.begin_trades($1)', [messages]);
        let done = 0;
        let finished;
        const all = new Promise((resolve) => { finished = resolve; });
        const runner = await require('graphile-worker').run({
            pgPool: pool,
            noHandleSignals: true,
            logger: new (require('graphile-worker').Logger)(() => () => {}),
            preset: { worker: { concurrentJobs: 8, localQueue: { size: 100 }, completeJobBatchDelay: 0 } },
            taskList: {
                step: async (payload, helpers) => {
                    const { rows } = await helpers.query('SELECT bench.step($1, $2) AS last', [payload.trade, payload.step]);
                    if (rows[0].last && ++done === messages) finished();
                },
            },
        });
        await all;
        await runner.stop();
        return done;
    },
};

const pgboss = {
    async boss() {
        const { PgBoss } = require('pg-boss');
        const boss = new PgBoss({
            db: { executeSql: (text, values) => pool.query(text, values) }, supervise: false, schedule: false, migrate: what === 'make',
        });
        boss.on('error', fail);
        return boss.start();
    },
    async make() { await (await this.boss()).createQueue('op'); },
    'at-once': async (boss) => {
        await boss.insert('op', Array.from({ length: messages }, (_, i) => ({ data: payload(i) })));
        return messages;
    },
    async drain(boss) {
        let done = 0;
        while (done < messages) {
            const jobs = await boss.fetch('op', { batchSize: 100 });
            if (!jobs.length) break;
            await boss.complete('op', jobs.map((job) => job.id));
            done += jobs.length;
        }
        return done;
    },
};

const queue = { graphile, pgboss }[side];
if (what === 'make') {
    await queue.make();
} else {
    const boss = queue.boss ? await queue.boss() : undefined;
    const wal = async () => Number((await pool.query("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS bytes")).rows[0].bytes);
    const before = await wal();
    const start = process.hrtime.bigint();
    const done = await queue[what](boss);
    const took = Number(process.hrtime.bigint() - start) / 1000;
    if (done !== messages) throw new Error(`${done} messages of ${messages}`);
    console.log((took / messages).toFixed(3), ((await wal() - before) / messages).toFixed(3));
}
process.exit(0);
