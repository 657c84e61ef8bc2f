// BullMQ, one worker with ten jobs at once; jobs that are done are not kept.
import { Queue, Worker } from "bullmq";

const [phase, port, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };
const payload = { payload: "a".repeat(64) };

function report(began) {
  console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000 }));
  process.exit(0);
}

if (phase === "push") {
  const queue = new Queue("jobs", { connection });
  await queue.waitUntilReady();
  const began = performance.now();
  for (let i = 0; i < count; i++)
    await queue.add("noop", payload, { removeOnComplete: true });
  report(began);
} else {
  let done = 0;
  let began;
  const noop = async () => {
    began ??= performance.now();
  };
  const worker = new Worker("jobs", noop, { connection, concurrency: 10 });
  worker.on("completed", () => {
    if (++done === count) report(began);
  });
}
