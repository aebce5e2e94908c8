// Package cloudsim is three clouds in one process: one in-memory core of
// versioned objects, with an S3, a GCS and an Azure Blob face that the official
// SDKs talk to over HTTP. It keeps to what the clouds document, preconditions
// and checksums included, which the stand-ins one can download do not.
//
// It imports only the standard library.
package cloudsim

import (
	"fmt"
	"hash/crc32"
	"maps"
	"strconv"
	"sync"
	"time"

	"crypto/md5" //nolint:gosec // the clouds' ETags and Content-MD5 are MD5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Object is one version of an object. It is immutable once stored: changes
// store a changed copy.
type Object struct {
	Name string
	Body []byte

	// Generation is unique within the bucket and grows. Metageneration starts
	// at 1 and grows with each change of attributes.
	Generation     int64
	Metageneration int64
	Created        time.Time // of this generation
	Updated        time.Time

	ContentType        string
	CacheControl       string
	ContentEncoding    string
	ContentDisposition string
	ContentLanguage    string
	Metadata           map[string]string
	StorageClass       string

	ETag   string // without quotes; each face computes its own form
	CRC32C uint32
	MD5    []byte // nil where the cloud keeps none, as for multipart

	DeleteMarker bool // S3, in versioned buckets

	// Extra is for what only one face knows: stored checksums, tags, tiers.
	Extra map[string]string
}

// clone returns a copy whose maps may be changed.
func (o *Object) clone() *Object {
	c := *o
	c.Metadata = maps.Clone(o.Metadata)
	c.Extra = maps.Clone(o.Extra)
	return &c
}

// VersionID is the S3 form of the generation.
func (o *Object) VersionID() string { return strconv.FormatInt(o.Generation, 36) }

// NewObject returns an object with its CRC32C and MD5 computed.
func NewObject(name string, body []byte) *Object {
	sum := md5.Sum(body) //nolint:gosec // see the import
	return &Object{Name: name, Body: body, CRC32C: crc32.Checksum(body, castagnoli), MD5: sum[:]}
}

// ChangeKind is what happened to an object.
type ChangeKind int

// The kinds of change.
const (
	Created ChangeKind = iota // a new generation, over an old one or not
	Deleted
	MetadataUpdated
)

// Change is one committed change, as subscribers see it.
type Change struct {
	Kind   ChangeKind
	Bucket string
	Object *Object // the new state; for Deleted, what was deleted
	Old    *Object // the generation that was replaced, if any
	// Versioned says that Old, or the deleted object, is kept as noncurrent.
	Versioned bool
	Time      time.Time
	Sequence  int64  // grows within a bucket
	Operation string // the face's own word: PutObject, CompleteMultipartUpload, …
	RequestID string // x-ms-client-request-id and the like
}

// Core is the storage behind the faces.
type Core struct {
	now func() time.Time

	mu      sync.RWMutex
	buckets map[string]*Bucket
}

// NewCore returns an empty core. now is the clock; nil means time.Now.
func NewCore(now func() time.Time) *Core {
	if now == nil {
		now = time.Now
	}
	return &Core{now: now, buckets: map[string]*Bucket{}}
}

// CreateBucket adds a bucket, or returns the one that is there.
func (c *Core) CreateBucket(name string, versioned bool) *Bucket {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.buckets[name]; ok {
		return b
	}
	b := &Bucket{Name: name, Versioned: versioned, now: c.now, current: map[string]*Object{}, history: map[string][]*Object{}}
	c.buckets[name] = b
	return b
}

// Bucket returns the named bucket, or nil.
func (c *Core) Bucket(name string) *Bucket {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.buckets[name]
}

// Bucket holds objects. A condition passed to its methods sees the current
// object (nil where there is none) and is evaluated atomically with the change;
// its error is returned as it is.
type Bucket struct {
	Name      string
	Versioned bool
	now       func() time.Time

	mu      sync.RWMutex
	current map[string]*Object
	keys    keySet
	history map[string][]*Object // noncurrent versions, oldest first
	lastGen int64
	seq     int64
	subs    []func(Change)
}

// Origin says which request made a change; it goes into events.
type Origin struct {
	Operation string
	RequestID string
}

// Subscribe calls fn for each change from now on, in order, while the bucket is
// locked: fn must not block or call the bucket.
func (b *Bucket) Subscribe(fn func(Change)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs = append(b.subs, fn)
}

// Len is the number of current objects.
func (b *Bucket) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.current)
}

// Get returns the current object, or nil.
func (b *Bucket) Get(name string) *Object {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.current[name]
}

// GetGeneration returns that generation, current or noncurrent, or nil.
func (b *Bucket) GetGeneration(name string, generation int64) *Object {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if o := b.current[name]; o != nil && o.Generation == generation {
		return o
	}
	for _, o := range b.history[name] {
		if o.Generation == generation {
			return o
		}
	}
	return nil
}

// Put stores o as a new generation if cond (which may be nil) allows it, and
// returns what was stored. finish, if not nil, sees the new object with its
// generation and times set before it becomes visible: the place to set an ETag
// that depends on them.
func (b *Bucket) Put(o *Object, by Origin, cond func(cur *Object) error, finish func(o *Object)) (*Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.current[o.Name]
	if cond != nil {
		if err := cond(old); err != nil {
			return nil, err
		}
	}
	o = o.clone()
	now := b.now()
	o.Generation, o.Metageneration = b.nextGeneration(now), 1
	o.Created, o.Updated = now, now
	if finish != nil {
		finish(o)
	}
	b.retire(old)
	b.current[o.Name] = o
	if old == nil {
		b.keys.add(o.Name)
	}
	b.emit(Change{Kind: Created, Object: o, Old: old, Time: now}, by)
	return o, nil
}

// Update changes the attributes of the current object if cond allows it, and
// returns the changed object; nil, nil where there is none and cond did not
// object to that.
func (b *Bucket) Update(name string, by Origin, cond func(cur *Object) error, mutate func(o *Object)) (*Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.current[name]
	if cond != nil {
		if err := cond(old); err != nil {
			return nil, err
		}
	}
	if old == nil {
		return nil, nil
	}
	o := old.clone()
	o.Metageneration++
	o.Updated = b.now()
	mutate(o)
	b.current[name] = o
	b.emit(Change{Kind: MetadataUpdated, Object: o, Old: old, Time: o.Updated}, by)
	return o, nil
}

// Delete removes the current object if cond allows it, and returns what was
// removed, or nil. In a versioned bucket it becomes noncurrent; with marker, a
// delete marker is put on top of it.
func (b *Bucket) Delete(name string, by Origin, marker bool, cond func(cur *Object) error) (removed, deleteMarker *Object, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.current[name]
	if cond != nil {
		if err := cond(old); err != nil {
			return nil, nil, err
		}
	}
	now := b.now()
	if b.Versioned && marker {
		deleteMarker = &Object{Name: name, DeleteMarker: true, Generation: b.nextGeneration(now), Metageneration: 1, Created: now, Updated: now}
	}
	if old != nil {
		b.retire(old)
		delete(b.current, name)
		b.keys.remove(name)
	}
	if deleteMarker != nil {
		b.history[name] = append(b.history[name], deleteMarker)
		b.emit(Change{Kind: Deleted, Object: deleteMarker, Old: old, Time: now}, by)
	} else if old != nil {
		b.emit(Change{Kind: Deleted, Object: old, Time: now}, by)
	}
	return old, deleteMarker, nil
}

// DeleteGeneration removes one generation for good. As on S3, deleting the
// current one makes the newest noncurrent one current again.
func (b *Bucket) DeleteGeneration(name string, generation int64, by Origin) (removed *Object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.current[name]; o != nil && o.Generation == generation {
		delete(b.current, name)
		b.keys.remove(name)
		removed = o
	}
	for i, o := range b.history[name] {
		if o.Generation == generation {
			b.history[name] = append(b.history[name][:i:i], b.history[name][i+1:]...)
			removed = o
			break
		}
	}
	if h := b.history[name]; b.current[name] == nil && len(h) > 0 && !h[len(h)-1].DeleteMarker {
		b.current[name] = h[len(h)-1]
		b.history[name] = h[:len(h)-1]
		b.keys.add(name)
	}
	if removed != nil {
		b.emit(Change{Kind: Deleted, Object: removed, Time: b.now()}, by)
	}
	return removed
}

// List returns up to limit current objects with prefix whose names are greater
// than after, or equal to it when inclusive, in byte order, and whether there
// are more.
func (b *Bucket) List(prefix, after string, inclusive bool, limit int) (objects []*Object, more bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	from := after
	if from < prefix {
		from, inclusive = prefix, true
	}
	for name := range b.keys.ascend(from) {
		if len(name) < len(prefix) || name[:len(prefix)] != prefix {
			break // greater than every name with the prefix
		}
		if name == after && !inclusive {
			continue
		}
		if len(objects) == limit {
			return objects, true
		}
		objects = append(objects, b.current[name])
	}
	return objects, false
}

func (b *Bucket) retire(old *Object) {
	if old != nil && b.Versioned {
		b.history[old.Name] = append(b.history[old.Name], old)
	}
}

// nextGeneration is microseconds since the epoch, as on GCS, made to grow.
func (b *Bucket) nextGeneration(now time.Time) int64 {
	b.lastGen = max(now.UnixMicro(), b.lastGen+1)
	return b.lastGen
}

func (b *Bucket) emit(c Change, by Origin) {
	b.seq++
	c.Bucket, c.Sequence, c.Versioned = b.Name, b.seq, b.Versioned
	c.Operation, c.RequestID = by.Operation, by.RequestID
	for _, fn := range b.subs {
		fn(c)
	}
}

func (c Change) String() string {
	return fmt.Sprintf("%s %s/%s#%d", [...]string{"created", "deleted", "updated"}[c.Kind], c.Bucket, c.Object.Name, c.Object.Generation)
}
