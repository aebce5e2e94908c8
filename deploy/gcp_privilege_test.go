package deploy_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/killtest"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// gcsNeed is a permission that a request to Cloud Storage takes, on an object, or
// for listings on the bucket by a prefix.
type gcsNeed struct{ permission, bucket, object, prefix string }

// gcsRecorder is in front of a Cloud Storage and notes what requests need.
type gcsRecorder struct {
	core *cloudsim.Core
	next http.Handler

	mu    sync.Mutex
	needs []gcsNeed
}

func (r *gcsRecorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	needs := r.needsOf(req)
	r.mu.Lock()
	r.needs = append(r.needs, needs...)
	r.mu.Unlock()
	r.next.ServeHTTP(w, req)
}

// needsOf is by "IAM permissions for JSON methods" and "for XML requests". What is
// not known needs itself, which nothing grants.
func (r *gcsRecorder) needsOf(req *http.Request) []gcsNeed {
	path, upload := strings.CutPrefix(req.URL.EscapedPath(), "/upload")
	rest, isJSON := strings.CutPrefix(path, "/storage/v1/b/")
	if !isJSON {
		bucket, object, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if name, err := url.PathUnescape(object); err == nil && req.Method == http.MethodGet && object != "" {
			return []gcsNeed{{"storage.objects.get", bucket, name, ""}}
		}
		return []gcsNeed{{req.Method + " " + path, bucket, object, ""}}
	}
	bucket, rest, _ := strings.Cut(rest, "/")
	object, err := url.PathUnescape(strings.TrimPrefix(strings.TrimPrefix(rest, "o"), "/"))
	query := req.URL.Query()
	switch {
	case err != nil:
	case upload && req.Method == http.MethodPost:
		name := query.Get("name")
		needs := []gcsNeed{{"storage.objects.create", bucket, name, ""}}
		if query.Get("ifGenerationMatch") != "0" && r.core.Bucket(bucket).Get(name) != nil {
			needs = append(needs, gcsNeed{"storage.objects.delete", bucket, name, ""})
		}
		return needs
	case upload && req.Method == http.MethodPut: // a chunk, of an upload that was begun
		return nil
	case rest == "o" && req.Method == http.MethodGet:
		return []gcsNeed{{"storage.objects.list", bucket, "", query.Get("prefix")}}
	case object != "" && req.Method == http.MethodGet:
		return []gcsNeed{{"storage.objects.get", bucket, object, ""}}
	case object != "" && req.Method == http.MethodDelete:
		return []gcsNeed{{"storage.objects.delete", bucket, object, ""}}
	case object != "" && req.Method == http.MethodPatch:
		return []gcsNeed{{"storage.objects.get", bucket, object, ""}, {"storage.objects.update", bucket, object, ""}}
	}
	return []gcsNeed{{req.Method + " " + path, bucket, object, ""}}
}

func (r *gcsRecorder) take() []gcsNeed {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.needs
	r.needs = nil
	return taken
}

// binding is a role on a bucket as the module gives it.
type binding struct {
	role, bucket, member, condition string
	permissions                     []string
}

// bindings are those of the storage module's buckets.
func (p *plan) bindings(t testing.TB) (all []binding) {
	t.Helper()
	const name = "google_storage_bucket_iam_member.this"
	body := p.module.resources[name].Body
	permissions := map[string][]string{}
	if err := json.Unmarshal([]byte(p.get(t, "local.permissions")), &permissions); err != nil {
		t.Fatal(err)
	}
	p.instances(name, func(extra map[string]cty.Value) {
		of := func(a *hclsyntax.Attribute, scope map[string]cty.Value) string {
			v, ok := p.value(a.Expr, scope)
			if !ok || !v.IsKnown() || v.IsNull() {
				t.Fatalf("%s is not known", a.Name)
			}
			return v.AsString()
		}
		grant := extra["each"].GetAttr("value")
		b := binding{role: grant.GetAttr("role").AsString(), bucket: of(body.Attributes["bucket"], extra), member: of(body.Attributes["member"], extra)}
		b.permissions = permissions[b.role]
		p.dynamic(body.Blocks[0], extra, func(content *hclsyntax.Body, extra map[string]cty.Value) {
			b.condition = of(content.Attributes["expression"], extra)
		})
		all = append(all, b)
	})
	return all
}

// grants reports whether b grants n. Conditions are of the forms that the module
// writes; any other holds for nothing.
func (b binding) grants(n gcsNeed) bool {
	if n.bucket != b.bucket || !slices.Contains(b.permissions, n.permission) {
		return false
	}
	if b.condition == "" {
		return true
	}
	resource := "projects/_/buckets/" + n.bucket
	if n.object != "" {
		resource += "/objects/" + n.object
	}
	return slices.ContainsFunc(strings.Split(b.condition, " || "), func(clause string) bool {
		begins := func(function, text string) bool {
			rest, ok := strings.CutPrefix(clause, function+".startsWith(")
			prefix, err := strconv.Unquote(strings.TrimSuffix(rest, ")"))
			return ok && err == nil && strings.HasPrefix(text, prefix)
		}
		return clause == `resource.type == "storage.googleapis.com/Bucket"` && n.object == "" ||
			begins("resource.name", resource) || begins(`api.getAttribute("storage.googleapis.com/objectListPrefix", "")`, n.prefix)
	})
}

// compareGCS is compare for Cloud Storage, and the bindings of one member.
func compareGCS(bindings []binding, member string, needs []gcsNeed) (denied, surplus []string) {
	bindings = slices.DeleteFunc(bindings, func(b binding) bool { return b.member != member })
	for _, n := range needs {
		if !slices.ContainsFunc(bindings, func(b binding) bool { return b.grants(n) }) {
			denied = append(denied, fmt.Sprint(n))
		}
	}
	for _, b := range bindings {
		for _, permission := range b.permissions {
			only := b
			only.permissions = []string{permission}
			if !slices.ContainsFunc(needs, only.grants) {
				surplus = append(surplus, b.role+": "+permission)
			}
		}
	}
	slices.Sort(denied)
	return slices.Compact(denied), surplus
}

// gcsPrivilege is a privilege whose function is on Cloud Storage, with S3 as the
// other cloud.
type gcsPrivilege struct {
	*privilege
	gcs      *gcsRecorder
	operator *gcs.Client // goes past the recorder
}

func newGCSPrivilege(t *testing.T, buckets ...string) *gcsPrivilege {
	t.Helper()
	p := &gcsPrivilege{privilege: &privilege{t: t, core: cloudsim.NewCore(nil), now: time.Now(), rec: &recorder{}}}
	for _, b := range buckets {
		p.core.CreateBucket(b, false)
	}
	p.gcs = &gcsRecorder{core: p.core, next: cloudsim.NewGCS(p.core, cloudsim.GCSOptions{})}
	server := httptest.NewServer(p.gcs)
	t.Cleanup(server.Close)
	p.url = server.URL
	past, stop := cloudsim.Serve(p.gcs.next)
	t.Cleanup(stop)
	connect := func(url string) *gcs.Client {
		client, err := gcs.NewClient(t.Context(), gcs.ClientOptions{Endpoint: url, Anonymous: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		return client
	}
	client := connect(server.URL)
	p.operator = connect(past)
	p.openers = config.Openers{
		"gs": func(_ context.Context, u *url.URL) (store.Store, error) {
			return gcs.New(client, u.Host, strings.TrimPrefix(u.Path, "/"), gcs.Options{}), nil
		},
		"s3": func(_ context.Context, u *url.URL) (store.Store, error) {
			return memstore.New(p.core.Bucket(u.Host)), nil
		},
	}
	return p
}

// declare is what crossfade init does, past the recorder.
func (p *gcsPrivilege) declare(fn config.Function) {
	p.t.Helper()
	var err error
	if p.docs, err = control.Open(gcs.New(p.operator, fn.Control.Bucket(), fn.Control.Prefix(), gcs.Options{}), fn.Migration, rand.Text); err != nil {
		p.t.Fatal(err)
	}
	state := control.State{Source: fn.Source.ID(), Target: fn.Target.ID(), Phase: control.Following, Authority: control.Source}
	if fn.Reverse {
		at := p.now.Add(-time.Hour)
		state = control.State{
			Source: fn.Target.ID(), Target: fn.Source.ID(), Phase: control.Reversed, Authority: control.Target, Epoch: 1,
			Turn: &control.Turn{Run: "run-0", Epoch: 1, To: control.Target, At: at, Cut: at, Born: at},
		}
		if err := p.docs.PutVerified(p.t.Context(), control.Verified{Run: "run-0", Keys: map[string]control.EndPair{}}); err != nil {
			p.t.Fatal(err)
		}
	}
	if _, err := p.docs.Create(p.t.Context(), state); err != nil {
		p.t.Fatal(err)
	}
}

// The function makes no request that its roles do not permit, and its roles
// permit nothing that the function never does.
func TestLeastPrivilegeGCP(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	for name, with := range map[string]map[string]cty.Value{
		"to another cloud": given("prefix", "in/"),
		"control in GCS":   given("migration", "m", "control", "gs://control"),
		"to GCS":           given("migration", "m", "target", "gs://copies/of/"),
		"the way back":     given("migration", "m", "direction", "reverse"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := gcpPlan(t, all, with)
			p := newGCSPrivilege(t, "photos", "copies", "control")
			fn, lookup := plan.cloudRun(t, "local.environment", config.Google)
			if fn.Migration != "" {
				p.declare(fn)
			}
			var err error
			if p.svc, err = service.Start(t.Context(), service.Setup{
				Version: "v1", Scheme: "gs", Openers: p.openers, Lookup: lookup, Out: &bytes.Buffer{}, Now: func() time.Time { return p.now },
			}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { p.svc.Close() })
			p.changes("photos", fn.Source.Prefix())
			if fn.Migration != "" {
				p.announce()
				p.put("photos", "b", []byte("noted"), "text/plain")
				p.told("photos", "b")
			}
			denied, surplus := compareGCS(plan.bindings(t), "google_service_account.function.member", p.gcs.take())
			if denied != nil {
				t.Errorf("the function needs what its roles do not grant: %q", denied)
			}
			if surplus != nil {
				t.Errorf("its roles grant what the function never needs: %q", surplus)
			}
		})
	}
}

// The same for the backfill, with the program, the command and the environment of
// its job.
func TestLeastPrivilegeGCPBackfill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := killtest.Build(dir, "cmd/crossfade"); err != nil {
		t.Fatal(err)
	}
	all := loaded(t, os.DirFS("."))
	image := cty.ObjectVal(given("image", "crossfade"))
	for name, with := range map[string]map[string]cty.Value{
		"to another cloud": given("prefix", "in/", "backfill", image),
		"to GCS":           given("target", "gs://copies/of/", "migration", "m", "backfill", image),
		"control in GCS": given("migration", "m", "control", "gs://control", "backfill",
			cty.ObjectVal(given("image", "crossfade", "file_id", "yaml"))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := gcpPlan(t, all, with)
			p := newGCSPrivilege(t, "photos", "copies", "control")
			other := cloudsim.NewCore(nil)
			other.CreateBucket("copies", false)
			s3, stop := cloudsim.Serve(cloudsim.NewS3(other, cloudsim.S3Options{}))
			defer stop()
			fn, _ := plan.cloudRun(t, "local.environment", config.Google)
			if fn.Migration != "" {
				p.declare(fn)
			}
			work := t.TempDir()
			file := filepath.Join(work, "crossfade.yaml")
			if err := os.WriteFile(file, []byte("name: m\nsource: gs://photos\ntarget: s3://copies?region=xx\ncontrol: gs://control\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			job := plan.job(t)
			run := func(args ...string) {
				t.Helper()
				for i, arg := range args {
					if arg == "/etc/crossfade/crossfade.yaml" { // where the secret is
						args[i] = file
					}
				}
				cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "crossfade"), args...)
				cmd.Dir, cmd.WaitDelay = work, time.Second
				cmd.Env = append([]string{
					"HOME=" + dir, "STORAGE_EMULATOR_HOST=" + p.url, "AWS_ENDPOINT_URL_S3=" + s3,
					"AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=example", "AWS_EC2_METADATA_DISABLED=true",
				}, job.env...)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("crossfade %s: %v\n%s", strings.Join(args, " "), err, out)
				}
			}
			prefix, large := fn.Source.Prefix(), bytes.Repeat([]byte("crossfade"), 1<<20)
			p.put("photos", prefix+"a", []byte("a"), "text/plain")
			p.put("photos", prefix+"b", []byte("b"), "text/plain")
			p.put("photos", prefix+"large", large, "text/plain")
			run(job.args...)
			p.put("photos", prefix+"a", []byte("a"), "text/html")
			p.put("photos", prefix+"large", large[1:], "text/plain")
			p.remove("photos", prefix+"b")
			run(append(slices.Clone(job.args), "--delete")...)
			denied, surplus := compareGCS(plan.bindings(t), "google_service_account.backfill.member", p.gcs.take())
			if denied != nil {
				t.Errorf("the backfill needs what its roles do not grant: %q", denied)
			}
			if surplus != nil {
				t.Errorf("its roles grant what the backfill never needs: %q", surplus)
			}
		})
	}
}

// jobRun is what the job of the backfill runs.
type jobRun struct{ args, env []string }

func (p *plan) job(t testing.TB) (job jobRun) {
	t.Helper()
	expressions(p.module.resources["google_cloud_run_v2_job.backfill"].Body, nil, func(at []string, a *hclsyntax.Attribute) {
		if at[len(at)-1] != "args" {
			return
		}
		v, _ := p.value(a.Expr, nil)
		for it := v.ElementIterator(); it.Next(); {
			_, arg := it.Element()
			job.args = append(job.args, arg.AsString())
		}
	})
	env := map[string]string{}
	if err := json.Unmarshal([]byte(p.get(t, "local.backfill_environment")), &env); err != nil {
		t.Fatal(err)
	}
	for name, value := range env {
		job.env = append(job.env, name+"="+value)
	}
	return job
}
