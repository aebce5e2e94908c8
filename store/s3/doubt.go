package s3

import (
	"net/url"
	"strings"

	"github.com/crossfade-io/crossfade/store"
)

var _ store.ConditionsInDoubt = (*Store)(nil)

// ConditionsInDoubt reports whether the server is neither Amazon's nor Google's:
// others that speak S3 are known to ignore conditions on deletes, or on the
// completion of multipart uploads, or all.
func (s *Store) ConditionsInDoubt() bool {
	endpoint := s.client.Options().BaseEndpoint
	if s.opts.Interop || endpoint == nil {
		return false
	}
	u, err := url.Parse(*endpoint)
	if err != nil {
		return true
	}
	host := strings.ToLower(u.Hostname())
	for _, amazons := range []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws"} {
		if strings.HasSuffix(host, amazons) {
			return false
		}
	}
	return true
}
