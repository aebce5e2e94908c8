package cloudsim

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// injection is one fault on its way through one request. All methods of a nil
// one do nothing.
type injection struct {
	faults *Faults
	rule   *faultRule
	kind   FaultKind
	w      http.ResponseWriter // the server's own
	body   *spoiltBody         // what the face writes to, when that is the fault

	counted atomic.Bool
	flipped atomic.Bool
}

// happened counts the fault, once.
func (x *injection) happened() {
	if !x.counted.CompareAndSwap(false, true) {
		return
	}
	x.faults.mu.Lock()
	x.rule.fired++
	x.faults.counts[x.kind]++
	x.faults.mu.Unlock()
	if x.rule.Happened != nil {
		x.rule.Happened()
	}
}

// begin does what comes before the effect, and does not return if that is the
// end of the request. What it returns is to be written to in place of w.
func (x *injection) begin(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if x == nil {
		return w
	}
	x.w = w
	switch x.kind {
	case ResetBefore:
		x.happened()
		x.breakOff()
	case HangBefore:
		x.happened()
		x.hang(r)
	case ResetAfter, HangAfter:
		return &lostAnswer{header: w.Header()}
	case SlowBody, StallBody, CutBody, CorruptRead, WrongLength:
		x.body = &spoiltBody{ResponseWriter: w, x: x, r: r}
		return x.body
	}
	return w
}

// end does what comes in place of an answer that was lost, and sends the header
// of one that had no body to spoil.
func (x *injection) end(r *http.Request) {
	if x == nil {
		return
	}
	if x.body != nil {
		x.body.flushHeader()
	}
	switch x.kind {
	case ResetAfter:
		x.happened()
		x.breakOff()
	case HangAfter:
		x.happened()
		x.hang(r)
	}
}

// breakOff resets the connection and ends the handler.
func (x *injection) breakOff() {
	if conn, _, err := http.NewResponseController(x.w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // so that closing sends a reset
		}
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// hang waits until the client gives up, or what else ends it.
func (x *injection) hang(r *http.Request) {
	// The server sees that a client has gone only once it has read its body.
	_, _ = io.Copy(io.Discard, r.Body)
	var limit <-chan time.Time
	if x.rule.Delay > 0 {
		timer := time.NewTimer(x.rule.Delay)
		defer timer.Stop()
		limit = timer.C
	}
	select {
	case <-r.Context().Done():
	case <-x.faults.released:
	case <-limit:
	}
	x.breakOff()
}

// flip returns body with a bit flipped, as if it had arrived so, when that is
// the fault; the body of the client is left alone.
func (x *injection) flip(body []byte) []byte {
	if x == nil || x.kind != CorruptWrite || len(body) == 0 || x.flipped.Load() {
		return body
	}
	x.flipped.Store(true)
	x.happened()
	return flipBit(body)
}

// flipReader does to a stream what flip does to a body.
func (x *injection) flipReader(r io.Reader) io.Reader {
	if x == nil || x.kind != CorruptWrite {
		return r
	}
	return readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		copy(p, x.flip(p[:n]))
		return n, err
	})
}

// unnoticed is called before flipped bytes are stored. Where the client sent no
// checksum only TLS guards them, and TLS would have broken the connection.
func (x *injection) unnoticed() {
	if x != nil && x.flipped.Load() {
		x.breakOff()
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func flipBit(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)/2] ^= 0x10
	return b
}

// lostAnswer takes an answer that nobody gets.
type lostAnswer struct{ header http.Header }

func (w *lostAnswer) Header() http.Header         { return w.header }
func (w *lostAnswer) WriteHeader(int)             {}
func (w *lostAnswer) Write(b []byte) (int, error) { return len(b), nil }

// spoiltBody spoils the body of a success. The faces write a body at once.
type spoiltBody struct {
	http.ResponseWriter
	x      *injection
	r      *http.Request
	status int
	spoilt bool
}

// WriteHeader waits for the body, which may have a say in Content-Length.
func (w *spoiltBody) WriteHeader(status int) { w.status = status }

func (w *spoiltBody) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.spoilt || len(b) == 0 || w.status/100 != 2 {
		w.flushHeader()
		return w.ResponseWriter.Write(b)
	}
	w.spoilt = true
	w.x.happened()
	h := w.Header()
	h.Set("Content-Length", strconv.Itoa(len(b)))
	switch w.x.kind {
	case WrongLength:
		h.Set("Content-Length", strconv.Itoa(len(b)-1))
		w.send(b[:len(b)-1])
	case CorruptRead:
		w.send(flipBit(b))
	case CutBody:
		w.send(b[:len(b)/2])
		panic(http.ErrAbortHandler)
	case StallBody:
		w.send(b[:len(b)/2])
		w.x.hang(w.r)
	case SlowBody:
		w.slowly(b)
	}
	return len(b), nil
}

// flushHeader sends the status, if it was not.
func (w *spoiltBody) flushHeader() {
	if w.status > 0 {
		w.ResponseWriter.WriteHeader(w.status)
		w.status = -1
	}
}

func (w *spoiltBody) send(b []byte) {
	w.flushHeader()
	_, _ = w.ResponseWriter.Write(b) // the client may have gone
	_ = http.NewResponseController(w.x.w).Flush()
}

func (w *spoiltBody) slowly(b []byte) {
	const pieces = 4
	delay := w.x.rule.Delay
	if delay <= 0 {
		delay = 20 * time.Millisecond
	}
	tick := time.NewTicker(delay / pieces)
	defer tick.Stop()
	step := len(b)/pieces + 1
	for len(b) > 0 {
		n := min(step, len(b))
		w.send(b[:n])
		b = b[n:]
		select {
		case <-tick.C:
		case <-w.r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-w.x.faults.released:
		}
	}
}
