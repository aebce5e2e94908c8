package gcs

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// detacher takes the body of a request away from the transport when the answer
// is there. A service may answer before it has read all, and then the transport
// goes on sending for a moment; but the SDK fills the same buffer with the next
// chunk.
type detacher struct {
	base http.RoundTripper
}

var errDetached = errors.New("the request was answered before its body was sent")

// RoundTrip sends a copy of req.
func (t *detacher) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return t.base.RoundTrip(req)
	}
	link := new(link)
	defer link.cut()
	sent := req.WithContext(req.Context())
	sent.Body = &linkedBody{link: link, body: req.Body, left: req.ContentLength}
	if req.GetBody != nil {
		sent.GetBody = func() (io.ReadCloser, error) {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			return &linkedBody{link: link, body: body, left: req.ContentLength}, nil
		}
	}
	return t.base.RoundTrip(sent)
}

// CloseIdleConnections is called by http.Client.
func (t *detacher) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// link holds the bodies of one request to the caller's memory.
type link struct {
	mu  sync.Mutex
	off bool
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = true
}

type linkedBody struct {
	link *link
	body io.ReadCloser
	left int64 // bytes still to be read; negative where the length is not known
}

func (b *linkedBody) Read(p []byte) (int, error) {
	b.link.mu.Lock()
	defer b.link.mu.Unlock()
	switch {
	case b.link.off && b.left == 0:
		return 0, io.EOF
	case b.link.off:
		return 0, errDetached
	}
	n, err := b.body.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
	}
	return n, err
}

func (b *linkedBody) Close() error { return b.body.Close() }
