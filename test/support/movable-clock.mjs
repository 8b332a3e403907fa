// Preloaded into a process whose clock the test moves: `{ pass: milliseconds }` is answered when it counts.
let passed = 0;
const now = Date.now;
Date.now = () => now() + passed;

process.on('message', ({ pass }) => {
  passed += pass;
  process.send({ passed });
});
// A test that has gone must not keep the process.
process.channel.unref();
