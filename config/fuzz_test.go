package config_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/crossfade-io/crossfade/config"
)

// FuzzFromEnv: whatever the environment, each mistake is one printable line that
// begins with its variable, and what is accepted is within its bounds and keeps
// the two ends apart.
func FuzzFromEnv(f *testing.F) {
	f.Add("s3://photos/in", "gs://copy", "true", "keep", "16", "9m", "info", "CROSSFADE_TYPO=1")
	f.Add("s3://photos", "s3://photos/x", "", "overwrite", "1024", "24h", "ERROR", "PATH=/bin")
	f.Add("https://acct.blob.core.windows.net/photos?sig=x", "az://photos", "0", "adopt", "0x10", "1ns", " warn ", "CROSSFADE_=")
	f.Add("s3://u:p@b\n", "file:///", "T", "", "-1", "", "\x00", "CROSSFADE_SOURCE")
	f.Add("gs://b\x1b[2J/", "gs://b/%0a", "\n", "keep\nx", "9999999999999999999", "1e9s", "debug", "CROSSFADE_\nFORGED: line=1")
	f.Add("s3://photos/in", "gs://copy", "", "", "", "", "", "CROSSFADE_MIGRATION=shop")
	f.Add("s3://photos/in", "gs://copy", "", "", "", "", "", "CROSSFADE_CONTROL=gs://ops")
	f.Add("s3://photos/in", "gs://copy", "", "", "", "", "", "CROSSFADE_DIRECTION=reverse")
	f.Fuzz(func(t *testing.T, source, target, deletes, foreign, concurrency, timeout, level, other string) {
		environ := []string{
			"CROSSFADE_SOURCE=" + source, "CROSSFADE_TARGET=" + target, "CROSSFADE_DELETES=" + deletes, "CROSSFADE_FOREIGN=" + foreign,
			"CROSSFADE_CONCURRENCY=" + concurrency, "CROSSFADE_TIMEOUT=" + timeout, "CROSSFADE_LOG_LEVEL=" + level, other,
		}
		c, err := fromEnv(environ...)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(strings.TrimPrefix(line, `"`), "CROSSFADE_") || strings.ContainsFunc(line, unicode.IsControl) {
					t.Errorf("the line %q of %q", line, err)
				}
			}
			return
		}
		if c.Source.ID() == "" || c.Target.ID() == "" || c.Source.Overlaps(c.Target) || c.Target.Overlaps(c.Source) {
			t.Errorf("%q and %q", c.Source, c.Target)
		}
		if a, b := config.IDs(c.Source, c.Target); a == b {
			t.Errorf("%q and %q are both named %q in stamps", source, target, a)
		}
		if c.Concurrency < 1 || c.Concurrency > 1024 || c.Timeout < 0 || c.Timeout.Hours() > 24 {
			t.Errorf("%+v", c)
		}
		if c.Reverse && c.Migration == "" || (c.Migration == "") != (c.Control.URL == nil) {
			t.Errorf("migration %q, control %q, reverse %v", c.Migration, c.Control, c.Reverse)
		}
		// As written out again it says the same.
		again, err := fromEnv("CROSSFADE_SOURCE="+c.Source.URL.String(), "CROSSFADE_TARGET="+c.Target.URL.String(), "CROSSFADE_FOREIGN="+c.Foreign.String())
		if err != nil || again.Source.ID() != c.Source.ID() || again.Target.ID() != c.Target.ID() || again.Foreign != c.Foreign {
			t.Errorf("%+v, %v", again, err)
		}
	})
}

// FuzzLocationSecrets: what stands where people put credentials is in no
// message, and what a location prints has neither it nor the query.
func FuzzLocationSecrets(f *testing.F) {
	for _, form := range []string{
		"s3://key:@@photos/in", "s3://photos?secret=@@", "https://a.blob.core.windows.net/c?sig=@@&sv=1", "az://c#@@", "file:///x?@@", "s3://:@@@",
		"s3://k:@@@b:99999/", "http://u:@@@h/", "gs://a b:@@@c", "u:@@@h", "://:@@@", "s3://b/%zz?@@", "https://x:@@@[::1", "ftp://u:@@@h?@@",
		"photos#@@", "acct.blob.core.windows.net/c?sig=@@", "A:// :@@#0@", ":@@://@",
	} {
		f.Add(form)
	}
	const secret = "hunter2secret"
	f.Fuzz(func(t *testing.T, form string) {
		// The secret stands behind a colon before an @, or in a query or fragment.
		before, _, ok := strings.Cut(form, "@@")
		if !ok {
			return
		}
		at := strings.IndexByte(form[len(before)+2:], '@')
		_, user, ok := strings.Cut(before, "://")
		if !ok {
			user = before
		}
		inUser := at >= 0 && strings.Contains(user, ":")
		if !inUser && !strings.ContainsAny(before, "?#") {
			return
		}
		raw := strings.Replace(form, "@@", secret, 1)
		l, err := config.ParseLocation(raw)
		for _, text := range []string{errText(err), l.ID(), l.String(), l.LogValue().String()} {
			if strings.Contains(text, secret) {
				t.Errorf("%q: %s", raw, text)
			}
		}
	})
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What was found by fuzzing: a URL that lost its scheme, and passwords with
// characters that end the authority of a URL.
func TestMessagesWithoutSecrets(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"acct.blob.core.windows.net/c?sig=hunter2", "photos#hunter2", "s3://key:hun#ter2@photos", "s3://key:hun?ter2@photos",
		"ftp://photos?x=hunter2@y", "key:hunter2://@photos", "https://key:hunter2@a.blob.core.windows.net/c", "s3://key:a/hunter2@photos",
	} {
		_, err := config.ParseLocation(raw)
		if err == nil || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%q: %v", raw, err)
		}
	}
}
