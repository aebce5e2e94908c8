package run_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/pull"
	"github.com/crossfade-io/crossfade/functions/run"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// sink answers by the function.
type sink func(ctx context.Context, e functions.Event) functions.Verdict

func (s sink) Process(ctx context.Context, events []functions.Event) []functions.Verdict {
	verdicts := make([]functions.Verdict, len(events))
	for i, e := range events {
		verdicts[i] = s(ctx, e)
	}
	return verdicts
}

// source hands on what is put into it, and tells what became of it.
type source struct {
	in  chan string
	out chan functions.Verdict
	err error

	mu      sync.Mutex
	trouble error
}

func newSource() *source {
	return &source{in: make(chan string, 100), out: make(chan functions.Verdict, 100)}
}

func (s *source) Run(ctx context.Context, proc pull.Processor) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return s.err
		case key, ok := <-s.in:
			if !ok {
				return s.err
			}
			wg.Go(func() {
				s.out <- proc.Process(context.WithoutCancel(ctx), []functions.Event{{Key: key}})[0]
			})
		}
	}
}

func (s *source) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// world is a process under test.
type world struct {
	t    *testing.T
	url  string
	stop context.CancelFunc
	end  chan error
	log  *lines
}

type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, opts run.Options) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, url: "http://" + l.Addr().String(), end: make(chan error, 1), log: &lines{}}
	opts.Listener, opts.Log = l, slog.New(slog.NewTextHandler(w.log, nil))
	if opts.Processor == nil {
		opts.Processor = sink(func(context.Context, functions.Event) functions.Verdict { return functions.Verdict{} })
	}
	var ctx context.Context
	ctx, w.stop = context.WithCancel(t.Context())
	t.Cleanup(w.stop)
	go func() { w.end <- run.Run(ctx, opts) }()
	return w
}

// ask makes a request, and returns status and body.
func (w *world) ask(method, path, body string, header ...string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := loopback.Client().Do(req)
	if err != nil {
		w.t.Error(err)
		return 0, ""
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Error(err)
	}
	return res.StatusCode, string(b)
}

// over waits for the end, which others ask for.
func (w *world) over(want string) {
	w.t.Helper()
	err := <-w.end
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		w.t.Errorf("ended with %v, want %q", err, want)
	}
}
