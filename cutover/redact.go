package cutover

import (
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/crossfade-io/crossfade/config"
)

const (
	maxHookOutput    = 8 << 10 // bytes kept of what a hook says: its beginning and its end
	maxWebhookAnswer = 1 << 20 // bytes read of an answer
)

// bounded is a writer that keeps the beginning and the end of what is written.
type bounded struct {
	most int

	mu         sync.Mutex
	head, tail []byte
	cut        bool
}

// Write never fails: a hook is not disturbed by how much it says.
func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(p)
	if room := b.most/2 - len(b.head); room > 0 {
		k := min(room, len(p))
		b.head, p = append(b.head, p[:k]...), p[k:]
	}
	b.tail = append(b.tail, p...)
	if over := len(b.tail) - b.most/2; over > 0 {
		b.tail, b.cut = append(b.tail[:0], b.tail[over:]...), true
	}
	return n, nil
}

func (b *bounded) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.head, b.tail, b.cut = nil, nil, false
}

func (b *bounded) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cut {
		return string(b.head) + "\n[…]\n" + string(b.tail)
	}
	return string(b.head) + string(b.tail)
}

const redactedText = "[redacted]"

// shortSecret is the length in bytes below which a text is not looked for: it
// would be found everywhere.
const shortSecret = 4

// redactHook takes out of what a hook said what it was told in confidence.
func redactHook(h config.Hook, said string) string {
	secrets := hookSecrets(h)
	// The longer first: one may be a part of another.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, s := range secrets {
		if len(s) >= shortSecret {
			said = strings.ReplaceAll(said, s, redactedText)
		}
	}
	said = userinfo.ReplaceAllString(said, "://"+redactedText+"@")
	return signature.ReplaceAllString(said, "${1}"+redactedText)
}

var (
	userinfo  = regexp.MustCompile(`://[^/@\s]+@`)
	signature = regexp.MustCompile(`(?i)([?&](?:x-amz-signature|x-amz-security-token|x-goog-signature|signature|sig|token|key|password)=)[^&\s"']+`)

	// secretVariable is how variables are called whose values are not for logs.
	secretVariable = regexp.MustCompile(`(?i)(SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|PRIVATE|_KEY$)`)

	expansion = regexp.MustCompile(`\\\$\\\{[^}]*\\\}`) // ${NAME}, as regexp.QuoteMeta writes it
)

// hookSecrets gathers what a hook was told that is not to be shown, and what its
// command finds in its environment.
func hookSecrets(h config.Hook) []string {
	var all []string
	for _, arg := range h.Command {
		all = append(all, expanded(arg)...)
	}
	for _, v := range h.Headers {
		all = append(all, v.Reveal())
		if _, token, ok := strings.Cut(v.Reveal(), " "); ok { // Bearer …
			all = append(all, token)
		}
	}
	if raw := h.Webhook.Reveal(); raw != "" {
		all = append(all, raw)
		if u, err := url.Parse(raw); err == nil {
			if u.Path != "" && u.Path != "/" {
				all = append(all, u.RequestURI())
			}
			if p, ok := u.User.Password(); ok {
				all = append(all, p)
			}
			for _, vs := range u.Query() {
				all = append(all, vs...)
			}
		}
	}
	for _, kv := range os.Environ() {
		if name, value, ok := strings.Cut(kv, "="); ok && len(value) >= 2*shortSecret && secretVariable.MatchString(name) {
			all = append(all, value)
		}
	}
	return all
}

// expanded returns what the environment has put into an argument: the parts of
// it that differ from how it is shown.
func expanded(arg config.Secret) []string {
	shown, value := arg.String(), arg.Reveal()
	if shown == value {
		return nil
	}
	parts := expansion.Split(regexp.QuoteMeta(shown), -1)
	re, err := regexp.Compile(`^(?s)` + strings.Join(parts, `(.*)`) + `$`)
	if err != nil || len(parts) == 1 {
		return []string{value}
	}
	m := re.FindStringSubmatch(value)
	if m == nil {
		return []string{value}
	}
	return append(m[1:], value)
}
