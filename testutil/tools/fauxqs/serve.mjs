// Serves SQS on loopback at the port given; the program of the package listens
// on every address.
import { buildApp } from "fauxqs";

const port = Number(process.argv[2]);
const app = buildApp({ logger: false });
process.on("SIGTERM", () => app.close().then(() => process.exit(0)));
await app.listen({ host: "127.0.0.1", port });
