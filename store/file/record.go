package file

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/store"
)

// attrName is the extended attribute that holds the record of a file.
const attrName = "user.crossfade"

// maxRecord bounds a record in bytes, wherever it is kept.
const maxRecord = 64 << 10

// record is what the store keeps of an object besides its bytes, as JSON.
type record struct {
	Format int    `json:"v"`    // 1
	Write  string `json:"w"`    // random, another with each change
	Size   int64  `json:"size"` // of the bytes it belongs to
	MTime  int64  `json:"mtime"`

	ContentType        string            `json:"type,omitempty"`
	CacheControl       string            `json:"cache,omitempty"`
	ContentEncoding    string            `json:"encoding,omitempty"`
	ContentDisposition string            `json:"disposition,omitempty"`
	ContentLanguage    string            `json:"language,omitempty"`
	Metadata           map[string]string `json:"meta,omitempty"`

	CRC32C    []byte `json:"crc32c,omitempty"`
	CRC64NVME []byte `json:"crc64nvme,omitempty"`
	MD5       []byte `json:"md5,omitempty"`
}

func newRecord(a store.Attrs, c store.Checksums) *record {
	return &record{
		Format: 1, Write: rand.Text()[:13],
		ContentType: a.ContentType, CacheControl: a.CacheControl, ContentEncoding: a.ContentEncoding,
		ContentDisposition: a.ContentDisposition, ContentLanguage: a.ContentLanguage, Metadata: a.Metadata,
		CRC32C: c.CRC32C, CRC64NVME: c.CRC64NVME, MD5: c.MD5,
	}
}

func (r *record) checksums() store.Checksums {
	return store.Checksums{CRC32C: r.CRC32C, CRC64NVME: r.CRC64NVME, MD5: r.MD5}
}

// encode returns the record as it is kept for the bytes that fi describes.
func (r *record) encode(fi fs.FileInfo) ([]byte, error) {
	r.Size, r.MTime = fi.Size(), fi.ModTime().UnixNano()
	return json.Marshal(r)
}

// checkAttrs refuses what a record cannot hold exactly.
func checkAttrs(a store.Attrs) error {
	size := 0
	for _, s := range []string{a.ContentType, a.CacheControl, a.ContentEncoding, a.ContentDisposition, a.ContentLanguage} {
		if size += len(s); !utf8.ValidString(s) {
			return kinded(store.Invalid, "an attribute is not UTF-8")
		}
	}
	for k, v := range a.Metadata {
		if size += len(k) + len(v); !utf8.ValidString(k) || !utf8.ValidString(v) {
			return kinded(store.Invalid, "metadata %q is not UTF-8", k)
		}
	}
	if size > maxRecord/2 { // JSON may need more bytes
		return kinded(store.TooLarge, "%d bytes of attributes and metadata, %d at most", size, maxRecord/2)
	}
	return nil
}

// parseRecord returns the record in b if it belongs to the bytes that fi
// describes, or nil.
func parseRecord(b []byte, fi fs.FileInfo) *record {
	var r record
	if len(b) == 0 || json.Unmarshal(b, &r) != nil || r.Format != 1 || r.Write == "" {
		return nil
	}
	if r.Size != fi.Size() || r.MTime != fi.ModTime().UnixNano() {
		return nil
	}
	return &r
}

// object describes the file; rec is nil for a bare one.
func object(key string, fi fs.FileInfo, rec *record) *store.Object {
	o := &store.Object{Key: key, Size: fi.Size(), ModTime: fi.ModTime()}
	v := strconv.FormatInt(fi.ModTime().UnixNano(), 10) + "-" + strconv.FormatInt(fi.Size(), 10) + "-" + strconv.FormatUint(inode(fi), 10)
	if rec == nil {
		o.Version, o.ContentType = store.Version(v), typeByName(key)
		return o
	}
	o.Version = store.Version(v + "-" + rec.Write)
	o.Attrs = store.Attrs{
		ContentType: rec.ContentType, CacheControl: rec.CacheControl, ContentEncoding: rec.ContentEncoding,
		ContentDisposition: rec.ContentDisposition, ContentLanguage: rec.ContentLanguage, Metadata: rec.Metadata,
	}
	o.Checksums = rec.checksums()
	return o
}

// sidecarDir is where the records of a key are kept, each under a name that
// says which bytes it belongs to: so a new one can be there before its bytes
// are, and the rename of the bytes switches both.
func sidecarDir(key string) []string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return []string{Reserved, "meta", name[:2], name[2:]}
}

func sidecarName(fi fs.FileInfo) string {
	return strconv.FormatInt(fi.ModTime().UnixNano(), 10) + "-" + strconv.FormatInt(fi.Size(), 10)
}

// loadRecord returns the record of an open file that fi describes, or nil.
func (s *Store) loadRecord(key string, f *os.File, fi fs.FileInfo) (*record, error) {
	b, err := getAttr(f, attrName)
	if err != nil {
		return nil, err
	}
	if rec := parseRecord(b, fi); rec != nil {
		return rec, nil
	}
	dir, err := s.openDir(sidecarDir(key))
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // nothing was written
	b, err = dir.ReadFile(sidecarName(fi))
	if err != nil && !gone(err) {
		return nil, err
	}
	return parseRecord(b, fi), nil
}

// saveRecord keeps rec for the open file f that fi describes: before the file
// is renamed to its key's place, or, for a change of attributes, while it is
// there. It tells whether rec is in a sidecar.
func (s *Store) saveRecord(key string, f *os.File, fi fs.FileInfo, rec *record) (sidecar bool, err error) {
	b, err := rec.encode(fi)
	if err != nil {
		return false, err
	}
	if !s.opts.Sidecar {
		err := setAttr(f, attrName, b)
		if err == nil || !noRoom(err) {
			return false, err
		}
	}
	if err := s.writeSidecar(sidecarDir(key), sidecarName(fi), b); err != nil {
		return false, fmt.Errorf("keeping the attributes: %w", err)
	}
	return true, removeAttr(f, attrName) // an older record in the file would come first
}

func (s *Store) writeSidecar(names []string, name string, b []byte) error {
	tmp, err := s.newTemp()
	if err != nil {
		return err
	}
	defer tmp.discard()
	if _, err := tmp.Write(b); err != nil {
		return err
	}
	if err := s.sync(tmp.File); err != nil {
		return err
	}
	dir, _, err := s.makeDir(names)
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // synced
	if err := tmp.moveTo(dir, name); err != nil {
		return err
	}
	return s.syncDir(dir)
}

// dropSidecars removes the records of a key but that named keep.
func (s *Store) dropSidecars(key, keep string) {
	names := sidecarDir(key)
	dir, err := s.openDir(names)
	if err != nil {
		return // there are none, or they are left for the next time
	}
	defer dir.Close() //nolint:errcheck // nothing depends on it
	d, err := dir.Open(".")
	if err != nil {
		return
	}
	defer d.Close() //nolint:errcheck // nothing was written
	all, _ := d.Readdirnames(-1)
	for _, n := range all {
		if n != keep && !strings.HasPrefix(n, ".") {
			_ = dir.Remove(n)
		}
	}
	if keep == "" {
		parent, err := s.openDir(names[:len(names)-1])
		if err == nil {
			_ = removeEmpty(parent, names[len(names)-1])
			_ = parent.Close()
		}
	}
}
