// Package servers starts real servers on loopback: versitygw for S3,
// fake-gcs-server for Google Cloud Storage, Azurite for Azure Blob Storage and
// fauxqs for SQS.
// `make servers` installs them, at pinned versions.
//
// A server dies with the process that started it: on Stop by its process
// group, and on Linux also when that process is killed.
package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Options say how a server is started. The zero value will do.
type Options struct {
	// Dir holds the server's data and its log. Required for a server that
	// keeps its data in files; the caller removes it.
	Dir string

	// OnDisk makes fake-gcs-server and Azurite keep their data in Dir rather
	// than in memory. versitygw always does.
	OnDisk bool

	// Versioning enables bucket versioning at versitygw.
	Versioning bool

	// TLS makes versitygw speak HTTPS, with a certificate of its own.
	TLS bool
}

// Server is a running server.
type Server struct {
	Name string
	URL  string // http://127.0.0.1:port, or https
	Log  string // path of its output

	// CA is the path of the certificate that a client has to trust, or "".
	CA string

	// Data is the directory of the stored objects, or "" if in memory.
	Data string

	proc *process
}

// PID is the process id of the server.
func (s *Server) PID() int { return s.proc.pid }

// Stop ends the server and waits for it. It may be called twice.
func (s *Server) Stop() error { return s.proc.stop(stopGrace) }

const (
	stopGrace    = 5 * time.Second  // between SIGTERM and SIGKILL
	readyTimeout = 60 * time.Second // Azurite on a busy machine takes its time
	attempts     = 3                // a free port may be taken before the server has it
)

// spec is what starting a server needs, for one port.
type spec struct {
	name  string
	argv  []string
	env   []string
	probe string // path that answers once the server is ready
	data  string
	ca    string // path of the certificate, for HTTPS
}

func start(ctx context.Context, dir string, prepare func(port string) (spec, error)) (*Server, error) {
	if dir == "" {
		return nil, errors.New("servers: no directory given")
	}
	var errs []error
	for range attempts {
		port, err := freePort(ctx)
		if err != nil {
			return nil, err
		}
		sp, err := prepare(port)
		if err != nil {
			return nil, err
		}
		scheme := "http://"
		if sp.ca != "" {
			scheme = "https://"
		}
		s := &Server{Name: sp.name, URL: scheme + "127.0.0.1:" + port, Log: filepath.Join(dir, sp.name+".log"), Data: sp.data, CA: sp.ca}
		if s.proc, err = startProcess(sp.argv, sp.env, dir, s.Log); err != nil {
			return nil, fmt.Errorf("starting %s: %w", sp.name, err)
		}
		err = s.waitReady(ctx, sp.probe)
		if err == nil {
			return s, nil
		}
		errs = append(errs, fmt.Errorf("starting %s: %w\n%s", sp.name, err, tail(s.Log)), s.Stop())
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// waitReady asks until the server answers anything at all, an error status
// included, for as long as its process lives.
func (s *Server) waitReady(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client, err := s.HTTPClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			// Another process that took the port would answer too.
			return s.proc.alive()
		}
		select {
		case <-s.proc.done:
			return fmt.Errorf("it ended: %w", s.proc.alive())
		case <-ctx.Done():
			return fmt.Errorf("it did not answer: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func freePort(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// tail returns the end of a log.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	const most = 4 << 10
	if len(b) > most {
		b = b[len(b)-most:]
	}
	return strings.TrimSpace(string(b))
}

// cache finds .cache/ of the module that the working directory belongs to.
func cache() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "testutil", "tools")); err == nil {
			return filepath.Join(dir, ".cache"), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("servers: not inside the source tree of crossfade")
		}
		dir = parent
	}
}

// tool returns the path of an installed file below .cache/.
func tool(rel ...string) (string, error) {
	dir, err := cache()
	if err != nil {
		return "", err
	}
	path := filepath.Join(append([]string{dir}, rel...)...)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not installed, run `make servers` first: %w", rel[len(rel)-1], err)
	}
	return path, nil
}
