package storetest_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"path"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
	"github.com/crossfade-io/crossfade/testutil/storetest"
)

// broken is a good store with one thing wrong. Each function, where set,
// replaces a method; the rest goes to the good store.
type broken struct {
	store.Store
	put  func(ctx context.Context, s store.Store, key string, c store.Content, o store.PutOptions) (*store.Object, error)
	open func(ctx context.Context, s store.Store, key string, o store.ReadOptions) (*store.Reader, error)
	head func(ctx context.Context, s store.Store, key string) (*store.Object, error)
	del  func(ctx context.Context, s store.Store, key string, c store.Condition) error
	list func(ctx context.Context, s store.Store, o store.ListOptions) iter.Seq2[*store.Object, error]
}

func (b *broken) Unwrap() store.Store { return b.Store }

func (b *broken) Put(ctx context.Context, key string, c store.Content, o store.PutOptions) (*store.Object, error) {
	if b.put == nil {
		return b.Store.Put(ctx, key, c, o)
	}
	return b.put(ctx, b.Store, key, c, o)
}

func (b *broken) Open(ctx context.Context, key string, o store.ReadOptions) (*store.Reader, error) {
	if b.open == nil {
		return b.Store.Open(ctx, key, o)
	}
	return b.open(ctx, b.Store, key, o)
}

func (b *broken) Head(ctx context.Context, key string) (*store.Object, error) {
	if b.head == nil {
		return b.Store.Head(ctx, key)
	}
	return b.head(ctx, b.Store, key)
}

func (b *broken) Delete(ctx context.Context, key string, c store.Condition) error {
	if b.del == nil {
		return b.Store.Delete(ctx, key, c)
	}
	return b.del(ctx, b.Store, key, c)
}

func (b *broken) List(ctx context.Context, o store.ListOptions) iter.Seq2[*store.Object, error] {
	if b.list == nil {
		return b.Store.List(ctx, o)
	}
	return b.list(ctx, b.Store, o)
}

// TestSuiteCatches shows that the suite fails where a store is wrong: each
// broken store is run with the list of just those cases that have to fail.
func TestSuiteCatches(t *testing.T) {
	t.Parallel()
	const large = 128 << 10
	for _, x := range []struct {
		name  string
		store broken
		fails []string
	}{{
		name: "IgnoresIfAbsent",
		store: broken{put: func(ctx context.Context, s store.Store, key string, c store.Content, o store.PutOptions) (*store.Object, error) {
			o.If.Absent = false
			return s.Put(ctx, key, c, o)
		}},
		fails: []string{"Condition/PutIfAbsentOnExistingSmall", "Condition/PutIfAbsentOnExistingLarge", "Race/PutIfAbsentSmall", "Race/PutIfAbsentLarge"},
	}, {
		name: "IgnoresIfMatchOfParts",
		store: broken{put: func(ctx context.Context, s store.Store, key string, c store.Content, o store.PutOptions) (*store.Object, error) {
			if c.Size() >= large {
				o.If.Match = ""
			}
			return s.Put(ctx, key, c, o)
		}},
		fails: []string{"Condition/PutIfMatchStaleLarge", "Condition/PutIfMatchGoneLarge", "Race/PutIfMatchLarge"},
	}, {
		name: "DeletesWithoutCondition",
		store: broken{del: func(ctx context.Context, s store.Store, key string, _ store.Condition) error {
			return s.Delete(ctx, key, store.Condition{})
		}},
		fails: []string{"Condition/DeleteIfMatchStale", "Condition/DeleteIfMatchGone", "Race/DeleteAgainstPut", "Update/Conditions"},
	}, {
		name: "ReadsUnpinned",
		store: broken{open: func(ctx context.Context, s store.Store, key string, o store.ReadOptions) (*store.Reader, error) {
			o.Version = ""
			return s.Open(ctx, key, o)
		}},
		fails: []string{"Pin/Overwritten", "Pin/OverwrittenSameSize", "Pin/Recreated", "Pin/ByListedVersion"},
	}, {
		name: "ReadsPiecewise",
		store: broken{open: func(ctx context.Context, s store.Store, key string, o store.ReadOptions) (*store.Reader, error) {
			r, err := s.Open(ctx, key, o)
			if err != nil || o.Length > 0 {
				return r, err
			}
			r.Body = &pieces{ReadCloser: r.Body, next: func(at int64) (io.ReadCloser, error) {
				r, err := s.Open(ctx, key, store.ReadOptions{Offset: o.Offset + at})
				if err != nil {
					return nil, err
				}
				return r.Body, nil
			}}
			return r, nil
		}},
		fails: []string{"Pin/OpenReaderSurvivesOverwrite", "Pin/ReadsUnderOverwrite"},
	}, {
		name: "CommitsWhatItRead",
		store: broken{put: func(ctx context.Context, s store.Store, key string, c store.Content, o store.PutOptions) (*store.Object, error) {
			r, err := c.Open(ctx, 0, c.Size())
			if err != nil {
				return nil, err
			}
			b, err := io.ReadAll(r)
			if cerr := r.Close(); cerr != nil {
				return nil, cerr
			}
			o.Checksums = store.Checksums{}
			obj, perr := s.Put(context.WithoutCancel(ctx), key, store.Bytes(b), o)
			return obj, errors.Join(err, perr)
		}},
		fails: append(atomicNames(), "Basic/CancelledContext"),
	}, {
		name: "DropsCacheControlOfParts",
		store: broken{put: func(ctx context.Context, s store.Store, key string, c store.Content, o store.PutOptions) (*store.Object, error) {
			if c.Size() >= large {
				o.Attrs.CacheControl = ""
			}
			return s.Put(ctx, key, c, o)
		}},
		fails: []string{"Attrs/Full", "Attrs/CacheControlOnly", "Body/Size131072", "Body/Size131073", "Body/Size143417", "Body/Size262145", "Body/Size1048575", "Body/Size1048577", "Version/IdenticalRewrite"},
	}, {
		name: "ListsLowerBound",
		store: broken{list: func(ctx context.Context, s store.Store, o store.ListOptions) iter.Seq2[*store.Object, error] {
			return func(yield func(*store.Object, error) bool) {
				if o.After != "" {
					if h, err := s.Head(ctx, o.After); err == nil && !yield(h, nil) {
						return
					}
				}
				s.List(ctx, o)(yield)
			}
		}},
		fails: append(oddNames(), "List/Bounds", "List/Paging"),
	}, {
		name: "ListsOnePage",
		store: broken{list: func(ctx context.Context, s store.Store, o store.ListOptions) iter.Seq2[*store.Object, error] {
			return func(yield func(*store.Object, error) bool) {
				n := 0
				for obj, err := range s.List(ctx, o) {
					if n++; n > 300 || !yield(obj, err) {
						return
					}
				}
			}
		}},
		fails: []string{"List/Paging"},
	}, {
		name: "SwallowsListErrors",
		store: broken{list: func(ctx context.Context, s store.Store, o store.ListOptions) iter.Seq2[*store.Object, error] {
			return s.List(context.WithoutCancel(ctx), o)
		}},
		fails: []string{"Basic/CancelledContext"},
	}, {
		name: "DeniedAsNotFound",
		store: broken{head: func(ctx context.Context, s store.Store, key string) (*store.Object, error) {
			o, err := s.Head(ctx, key)
			if err != nil {
				return nil, &store.Error{Op: "head", Store: "mem://mem", Key: key, Kind: store.NotFound, Err: err}
			}
			return o, nil
		}},
		fails: []string{"Basic/CancelledContext"},
	}, {
		name:  "CleansKeys",
		store: cleaning(),
		fails: []string{"Key/LeadingSlash", "Key/LeadingSlashes", "Key/OnlySlash", "Key/DoubleSlash", "Key/TrailingSlash", "Key/DirectoryMarker", "Key/DotSegment", "Key/DotSegmentInside", "Key/DotOnly", "Key/DotDotSegment", "Key/DotDotSegmentInside", "Key/BackslashLeading", "Key/URL", "List/Order"},
	}} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			known := map[string]string{}
			for _, name := range x.fails {
				known[name] = "broken on purpose"
			}
			storetest.Run(t, storetest.Harness{
				New: func(*testing.T) store.Store {
					b := x.store
					b.Store = memstore.Fresh()
					return &b
				},
				Known:         known,
				MultipartSize: large,
				ListKeys:      350,
				BigSize:       1 << 20,
			})
		})
	}
}

// pieces asks for the rest of a body anew after each 64 KiB, of whatever version
// there is by then.
type pieces struct {
	io.ReadCloser
	next func(at int64) (io.ReadCloser, error)
	at   int64
}

func (p *pieces) Read(b []byte) (int, error) {
	const piece = 64 << 10
	if p.at > 0 && p.at%piece == 0 {
		r, err := p.next(p.at)
		if err != nil {
			return 0, err
		}
		p.ReadCloser = r
	}
	n, err := p.ReadCloser.Read(b[:min(int64(len(b)), piece-p.at%piece)])
	p.at += int64(n)
	return n, err
}

// cleaning is a store that tidies keys, as one on a file system might.
func cleaning() broken {
	clean := func(key string) string {
		if key == "" {
			return ""
		}
		return strings.TrimLeft(path.Clean("/"+key), "/")
	}
	back := func(o *store.Object, err error, key string) (*store.Object, error) {
		if err == nil {
			o.Key = key
		}
		return o, err
	}
	return broken{
		put: func(ctx context.Context, s store.Store, key string, c store.Content, o store.PutOptions) (*store.Object, error) {
			obj, err := s.Put(ctx, clean(key), c, o)
			return back(obj, err, key)
		},
		head: func(ctx context.Context, s store.Store, key string) (*store.Object, error) {
			obj, err := s.Head(ctx, clean(key))
			return back(obj, err, key)
		},
		open: func(ctx context.Context, s store.Store, key string, o store.ReadOptions) (*store.Reader, error) {
			r, err := s.Open(ctx, clean(key), o)
			if err == nil {
				r.Key = key
			}
			return r, err
		},
		del: func(ctx context.Context, s store.Store, key string, c store.Condition) error {
			return s.Delete(ctx, clean(key), c)
		},
	}
}

// atomicNames are the cases that a store fails that commits what it has read.
func atomicNames() []string {
	var names []string
	for _, size := range []string{"Small", "Large"} {
		for _, f := range []string{"FailAtStart", "FailHalfway", "FailAtLastByte", "EndAtStart", "EndHalfway", "EndBeforeLastByte", "RunLong", "CancelHalfway", "CancelUnnoticedHalfway", "CancelUnnoticedAtLastByte", "WrongCRC32C", "WrongMD5", "WrongCRC64NVME", "WrongSize", "FailAtOpen", "FailAtOpenOfLastRange"} {
			names = append(names, "Atomic/"+f+size)
		}
	}
	return append(names, "Atomic/WrongCRC32CEmpty", "Atomic/WrongMD5Empty", "Atomic/WrongCRC64NVMEEmpty")
}

func oddNames() []string {
	var names []string
	for _, k := range storetest.OddKeys() {
		names = append(names, "Key/"+k.Name)
	}
	return names
}
