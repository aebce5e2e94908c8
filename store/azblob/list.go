package azblob

import (
	"context"
	"errors"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/crossfade-io/crossfade/store"
)

// List yields the blobs in (opts.After, opts.Until] with their attributes (List
// Blobs, flat).
//
// The order is checked. Accounts with a hierarchical namespace list directory by
// directory, "a/b" before "a-b": there a listing yields Kind Invalid at the first
// key that is out of byte order, or with opts.AnyOrder all keys in the service's
// own order. The service begins at opts.After and is not asked for what follows
// opts.Until only where it is certain that its order is that of bytes; elsewhere
// everything is listed and sorted out here.
func (s *Store) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		trusted := false
		if (opts.After != "" || opts.Until != "") && !opts.AnyOrder {
			trusted = s.accountIsFlat(ctx)
		}
		list := container.ListBlobsFlatOptions{
			Include:    container.ListBlobsInclude{Metadata: true},
			MaxResults: to.Ptr(s.opts.PageSize),
		}
		if narrow := askable(s.prefix + opts.Prefix()); narrow != "" {
			list.Prefix = to.Ptr(narrow)
		}
		if after := s.prefix + opts.After; opts.After != "" && trusted && sameOrder(after) && askable(after) == after {
			list.StartFrom = to.Ptr(after)
		}
		stops := opts.Until != "" && trusted && sameOrder(s.prefix+opts.Until)
		last, first := "", true
		for pager := s.client.NewListBlobsFlatPager(&list); pager.More(); {
			page, err := pager.NextPage(ctx)
			if err == nil && page.Segment == nil {
				err = errors.New("the answer is no listing")
			}
			if err != nil {
				yield(nil, s.classify("list", "", err))
				return
			}
			for _, item := range page.Segment.BlobItems {
				obj, err := s.listed(item)
				if err != nil {
					yield(nil, s.classify("list", "", err))
					return
				}
				if !opts.AnyOrder && !first && obj.Key <= last {
					yield(nil, s.invalid("list", obj.Key, "listing is not in byte order: the key comes after %q (an account with a hierarchical namespace?)", last))
					return
				}
				last, first = obj.Key, false
				if stops && obj.Key > opts.Until {
					return
				}
				if obj.Key == "" || obj.Key <= opts.After || opts.Until != "" && obj.Key > opts.Until {
					continue
				}
				if !yield(obj, nil) {
					return
				}
			}
		}
	}
}

// listed turns one entry of a listing into an Object.
func (s *Store) listed(item *container.BlobItem) (*store.Object, error) {
	if item == nil || item.Name == nil || item.Properties == nil || item.Properties.ETag == nil || item.Properties.ContentLength == nil {
		return nil, errors.New("an entry of the listing lacks name, ETag or length")
	}
	p := item.Properties
	key, ok := strings.CutPrefix(*item.Name, s.prefix)
	if !ok {
		return nil, errors.New("an entry of the listing is not below the prefix")
	}
	return &store.Object{
		Key:     key,
		Size:    *p.ContentLength,
		Version: versionOf(p.ETag),
		ModTime: value(p.LastModified),
		Attrs: store.Attrs{
			ContentType:        value(p.ContentType),
			CacheControl:       value(p.CacheControl),
			ContentEncoding:    value(p.ContentEncoding),
			ContentDisposition: value(p.ContentDisposition),
			ContentLanguage:    value(p.ContentLanguage),
			Metadata:           decodeMetadata(item.Metadata),
		},
		Checksums: checksums(p.ContentMD5),
	}, nil
}

// accountIsFlat reports whether the account certainly has no hierarchical
// namespace (Get Account Information). It asks until it was answered once; a
// caller without the permission, or a server without the operation, gets false,
// which costs requests and nothing else.
func (s *Store) accountIsFlat(ctx context.Context) bool {
	s.flatMu.Lock()
	defer s.flatMu.Unlock()
	if s.flat == nil {
		info, err := s.client.GetAccountInfo(ctx, nil)
		if err != nil {
			return false
		}
		s.flat = to.Ptr(info.IsHierarchicalNamespaceEnabled != nil && !*info.IsHierarchicalNamespaceEnabled)
	}
	return *s.flat
}

// askable is how far s can be asked for. A backslash is a slash to the service, and
// no blob's name has one; and the answer, which is XML 1.0, repeats what is asked
// for, so that characters which that cannot hold are refused (by Azurite with 500).
func askable(s string) string {
	i := strings.IndexFunc(s, func(r rune) bool {
		return r == '\\' || r < ' ' || r == utf8.RuneError || r == 0xFFFE || r == 0xFFFF
	})
	if i < 0 {
		return s
	}
	return s[:i]
}

// sameOrder reports whether name divides names alike in the order of UTF-8 bytes
// and in that of UTF-16 units, which some servers use: they differ only where a
// character from U+E000 on is compared with one above U+FFFF.
func sameOrder(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r >= 0xE000 })
}

// Check asks for one entry of a listing, which every use of a container needs and
// every sort of credential can permit.
func (s *Store) Check(ctx context.Context) error {
	pager := s.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{MaxResults: to.Ptr(int32(1))})
	if _, err := pager.NextPage(ctx); err != nil {
		return s.explain(s.classify("check", "", err))
	}
	return nil
}
