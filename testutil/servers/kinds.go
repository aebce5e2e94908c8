package servers

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// The credentials of the servers. Azurite's are the well-known ones of every
// Azure storage emulator.
const (
	S3AccessKey  = "crossfade"
	S3SecretKey  = "crossfade-secret"
	S3Region     = "us-east-1"
	AzureAccount = "devstoreaccount1"
	AzureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Versitygw starts versitygw, an S3 gateway over a directory. The filesystem
// of opts.Dir must have user extended attributes.
func Versitygw(ctx context.Context, opts Options) (*Server, error) {
	bin, err := tool("bin", "versitygw")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(opts.Dir, "versitygw")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	backend := []string{"posix"}
	if opts.Versioning {
		versions := filepath.Join(opts.Dir, "versitygw-versions")
		if err := os.MkdirAll(versions, 0o755); err != nil {
			return nil, err
		}
		backend = append(backend, "--versioning-dir", versions)
	}
	var cert certificate
	if opts.TLS {
		if cert, err = newCertificate(opts.Dir); err != nil {
			return nil, err
		}
	}
	return start(ctx, opts.Dir, func(port string) (spec, error) {
		argv := []string{bin, "--port", "127.0.0.1:" + port, "--keep-alive", "--quiet", "--region", S3Region}
		if opts.TLS {
			argv = append(argv, "--cert", cert.certFile, "--key", cert.keyFile)
		}
		return spec{
			ca:    cert.certFile,
			name:  "versitygw",
			argv:  append(append(argv, backend...), data),
			env:   []string{"ROOT_ACCESS_KEY=" + S3AccessKey, "ROOT_SECRET_KEY=" + S3SecretKey},
			probe: "/",
			data:  data,
		}, nil
	})
}

// FakeGCS starts fake-gcs-server.
func FakeGCS(ctx context.Context, opts Options) (*Server, error) {
	bin, err := tool("bin", "fake-gcs-server")
	if err != nil {
		return nil, err
	}
	data, backend := "", []string{"-backend", "memory", "-data", ""}
	if opts.OnDisk {
		data = filepath.Join(opts.Dir, "fake-gcs-server")
		if err := os.MkdirAll(data, 0o755); err != nil {
			return nil, err
		}
		backend = []string{"-backend", "filesystem", "-filesystem-root", data, "-data", ""}
	}
	return start(ctx, opts.Dir, func(port string) (spec, error) {
		host := "127.0.0.1:" + port
		argv := []string{
			bin, "-scheme", "http", "-host", "127.0.0.1", "-port", port,
			"-public-host", host, "-external-url", "http://" + host, "-log-level", "warn",
		}
		return spec{name: "fake-gcs-server", argv: append(argv, backend...), probe: "/_internal/healthcheck", data: data}, nil
	})
}

// Azurite starts the blob service of Azurite.
func Azurite(ctx context.Context, opts Options) (*Server, error) {
	script, err := tool("azurite", "node_modules", "azurite", "dist", "src", "blob", "main.js")
	if err != nil {
		return nil, err
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, err
	}
	data, persistence := "", []string{"--inMemoryPersistence"}
	if opts.OnDisk {
		data = filepath.Join(opts.Dir, "azurite")
		if err := os.MkdirAll(data, 0o755); err != nil {
			return nil, err
		}
		persistence = []string{"--location", data}
	}
	return start(ctx, opts.Dir, func(port string) (spec, error) {
		argv := []string{
			node, script, "--blobHost", "127.0.0.1", "--blobPort", port,
			"--skipApiVersionCheck", "--disableTelemetry", "--silent",
		}
		return spec{name: "azurite", argv: append(argv, persistence...), probe: "/" + AzureAccount, data: data}, nil
	})
}

// AzureConnectionString is what AZURE_STORAGE_CONNECTION_STRING holds for an
// Azurite at url.
func AzureConnectionString(url string) string {
	return "DefaultEndpointsProtocol=http;AccountName=" + AzureAccount + ";AccountKey=" + AzureKey +
		";BlobEndpoint=" + url + "/" + AzureAccount + ";"
}

// SQS starts fauxqs, which keeps its queues in memory.
func SQS(ctx context.Context, opts Options) (*Server, error) {
	script, err := tool("fauxqs", "serve.mjs")
	if err != nil {
		return nil, err
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, err
	}
	return start(ctx, opts.Dir, func(port string) (spec, error) {
		return spec{name: "fauxqs", argv: []string{node, script, port}, probe: "/health"}, nil
	})
}
