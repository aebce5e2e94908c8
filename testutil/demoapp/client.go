package demoapp

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
)

// ErrAbsent is returned by Get for a key that is not there, and by Delete where
// the cloud tells.
var ErrAbsent = errors.New("no such object")

// Client is a bucket through a cloud's plain SDK, as the application uses it:
// without conditions, and without looking at what crossfade puts into metadata.
type Client interface {
	Put(ctx context.Context, key string, body []byte, attrs Attrs) error
	Get(ctx context.Context, key string) (Content, error)
	Delete(ctx context.Context, key string) error
	// List calls yield with every key until it returns false.
	List(ctx context.Context, yield func(key string) bool) error
}

// stampName is the metadata entry that crossfade adds to what it copies.
const stampName = "crossfade"

// metadataOf returns user metadata as the application wrote it: names in lower
// case, because Azure capitalises them, and without crossfade's stamp.
func metadataOf(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for name, value := range m {
		if name = strings.ToLower(name); name != stampName {
			out[name] = value
		}
	}
	return out
}

// digest reads all of body and closes it.
func digest(body io.ReadCloser) (sum [sha256.Size]byte, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, body)
	if cerr := body.Close(); err == nil {
		err = cerr
	}
	return [sha256.Size]byte(h.Sum(nil)), size, err
}
