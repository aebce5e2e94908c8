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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	azcontainer "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/zclconf/go-cty/cty"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// azureNeed is a data action that a request to Blob Storage takes. A listing is of
// the container, and has no blob.
type azureNeed struct{ action, container, blob string }

// azureRecorder is in front of a Blob Storage and notes what requests need.
type azureRecorder struct {
	next  http.Handler
	mu    sync.Mutex
	needs []azureNeed
}

func (r *azureRecorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Query().Get("restype") == "account" { // which no role here permits
		w.Header().Set("X-Ms-Error-Code", "AuthorizationPermissionMismatch")
		w.WriteHeader(http.StatusForbidden)
		return
	}
	r.mu.Lock()
	r.needs = append(r.needs, azureNeedOf(req))
	r.mu.Unlock()
	r.next.ServeHTTP(w, req)
}

// azureNeedOf is by "Authorize with Microsoft Entra ID", "Permissions for blob
// service operations". What is not known needs itself, which nothing grants.
func azureNeedOf(req *http.Request) azureNeed {
	const blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/"
	path := strings.TrimPrefix(req.URL.Path, "/"+cloudsim.AzureAccount+"/")
	at, blob, _ := strings.Cut(path, "/")
	query := req.URL.Query()
	comp := query.Get("comp")
	need := func(action string) azureNeed { return azureNeed{blobs + action, at, blob} }
	switch {
	case req.Method == http.MethodGet && query.Get("restype") == "container" && comp == "list" && blob == "":
		return need("read")
	case (req.Method == http.MethodGet || req.Method == http.MethodHead) && blob != "" && (comp == "" || comp == "blocklist" || comp == "metadata"):
		return need("read")
	case req.Method == http.MethodPut && blob != "" && slices.Contains([]string{"", "block", "blocklist", "metadata", "properties"}, comp):
		return need("write")
	case req.Method == http.MethodDelete && blob != "" && comp == "":
		return need("delete")
	}
	return azureNeed{req.Method + " " + req.URL.String(), at, blob}
}

func (r *azureRecorder) take() []azureNeed {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.needs
	r.needs = nil
	return taken
}

// azureGrant is a role on a container as the module gives it: listings are of all
// of it, the rest of what is below a prefix.
type azureGrant struct {
	role, container, below string
	actions                []string
}

func (g azureGrant) grants(n azureNeed) bool {
	return n.container == g.container && slices.Contains(g.actions, n.action) && (n.blob == "" || strings.HasPrefix(n.blob, g.below))
}

// azureGrants are those on containers of roles whose names begin with who.
func (p *plan) azureGrants(t testing.TB, who string) (all []azureGrant) {
	t.Helper()
	actions, grants := map[string][]string{}, map[string]struct{ Role, Scope, Below string }{}
	for expr, into := range map[string]any{"local.data_actions": &actions, "local.grants": &grants} {
		if err := json.Unmarshal([]byte(p.get(t, expr)), into); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range grants {
		if _, at, ok := strings.Cut(g.Scope, "/blobServices/default/containers/"); ok && strings.HasPrefix(g.Role, who) {
			all = append(all, azureGrant{g.Role, at, g.Below, actions[g.Role]})
		}
	}
	return all
}

func compareAzure(all []azureGrant, needs []azureNeed) (denied, surplus []string) {
	for _, n := range needs {
		if !slices.ContainsFunc(all, func(g azureGrant) bool { return g.grants(n) }) {
			denied = append(denied, fmt.Sprint(n))
		}
	}
	for _, g := range all {
		for _, action := range g.actions {
			only := g
			only.actions = []string{action}
			if !slices.ContainsFunc(needs, only.grants) {
				surplus = append(surplus, g.role+": "+action)
			}
		}
	}
	slices.Sort(denied)
	return slices.Compact(denied), surplus
}

// The comparison finds what is missing and what is too much.
func TestCompareAzure(t *testing.T) {
	t.Parallel()
	const read, write = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"
	all := []azureGrant{{"r", "photos", "in/", []string{read, write}}}
	for _, c := range []struct {
		needs           []azureNeed
		denied, surplus int
	}{
		{[]azureNeed{{read, "photos", ""}, {write, "photos", "in/a"}}, 0, 0},
		{[]azureNeed{{read, "photos", "in/a"}}, 0, 1},
		{[]azureNeed{{read, "photos", "out"}, {write, "photos", "in/a"}}, 1, 1},
		{[]azureNeed{{read, "other", "in/a"}, {read, "photos", "in/a"}, {write, "photos", "in/a"}}, 1, 0},
	} {
		if denied, surplus := compareAzure(all, c.needs); len(denied) != c.denied || len(surplus) != c.surplus {
			t.Errorf("%v: denied %q, surplus %q", c.needs, denied, surplus)
		}
	}
	req := httptest.NewRequest(http.MethodPut, "/"+cloudsim.AzureAccount+"/photos/a?comp=tags", nil)
	if n := azureNeedOf(req); strings.HasPrefix(n.action, "Microsoft.") {
		t.Errorf("a request that is not known needs %v", n)
	}
}

// azurePrivilege is a privilege whose function is on Azure, and the openers of
// the operator, who goes past the recorder.
func azurePrivilege(t *testing.T, buckets ...string) (*privilege, *azureRecorder, config.Openers) {
	t.Helper()
	p := &privilege{t: t, core: cloudsim.NewCore(nil), now: time.Now(), rec: &recorder{}}
	for _, b := range buckets {
		p.core.CreateBucket(b, false)
	}
	rec := &azureRecorder{next: cloudsim.NewAzure(p.core, cloudsim.AzureOptions{})}
	server := httptest.NewServer(rec)
	t.Cleanup(server.Close)
	past, stop := cloudsim.Serve(rec.next)
	t.Cleanup(stop)
	openers := func(at string) config.Openers {
		return config.Openers{
			"az": func(_ context.Context, u *url.URL) (store.Store, error) {
				name, prefix, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
				if u.Scheme == "az" {
					name, prefix = u.Host, strings.TrimPrefix(u.Path, "/")
				}
				client, err := azcontainer.NewClientWithNoCredential(at+"/"+cloudsim.AzureAccount+"/"+name, azblob.ClientOptions())
				if err != nil {
					return nil, err
				}
				return azblob.New(client, prefix, azblob.Options{SinglePut: 1 << 10, BlockSize: 1 << 14}), nil
			},
			"s3": func(_ context.Context, u *url.URL) (store.Store, error) {
				return memstore.New(p.core.Bucket(u.Host)), nil
			},
			"gs": func(_ context.Context, u *url.URL) (store.Store, error) {
				return memstore.New(p.core.Bucket(u.Host)), nil
			},
		}
	}
	p.openers = openers(server.URL)
	return p, rec, openers(past)
}

// The function makes no request that its roles do not permit, and its roles
// permit nothing that the function never does.
func TestLeastPrivilegeAzure(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	for name, with := range map[string]map[string]cty.Value{
		"to another cloud": given("prefix", "in/"),
		"to Azure":         given("target", "https://other.blob.core.windows.net/copies/of/", "target_container_id", copiesID, "migration", "m"),
		"the way back":     given("target", "gs://copies", "migration", "m", "direction", "reverse"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := azurePlan(t, all, with)
			p, rec, operator := azurePrivilege(t, "photos", "copies")
			fn, lookup := plan.cloudRun(t, "local.environment", config.Azure)
			if fn.Migration != "" {
				p.declareIn(fn, operator)
			}
			var err error
			if p.svc, err = service.Start(t.Context(), service.Setup{
				Version: "v1", Scheme: "az", Openers: p.openers, Lookup: lookup, Out: &bytes.Buffer{}, Now: func() time.Time { return p.now },
			}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { p.svc.Close() })
			p.account = fn.Source.Account(lookup)
			p.changes("photos", fn.Source.Prefix())
			if fn.Migration != "" {
				p.announce()
				p.put("photos", "b", []byte("noted"), "text/plain")
				p.told("photos", "b")
			}
			denied, surplus := compareAzure(plan.azureGrants(t, "function_"), rec.take())
			if denied != nil {
				t.Errorf("the function needs what its roles do not grant: %q", denied)
			}
			if surplus != nil {
				t.Errorf("its roles grant what the function never needs: %q", surplus)
			}
		})
	}
}

// The same for the backfill.
func TestLeastPrivilegeAzureBackfill(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	image := cty.ObjectVal(given("image", "crossfade"))
	for name, with := range map[string]map[string]cty.Value{
		"to another cloud": given("prefix", "in/", "backfill", image),
		"to Azure":         given("target", "https://other.blob.core.windows.net/copies/of/", "target_container_id", copiesID, "backfill", image),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := azurePlan(t, all, with)
			p, rec, _ := azurePrivilege(t, "photos", "copies")
			fn, _ := plan.cloudRun(t, "local.environment", config.Azure)
			open := func(at config.Location) store.Store {
				st, err := at.Open(t.Context(), p.openers)
				if err != nil {
					t.Fatal(err)
				}
				return st
			}
			src, dst := open(fn.Source), open(fn.Target)
			policy := replicate.Policy{Deletes: true}
			ends := replicate.Ends{Source: fn.Source.ID(), Target: fn.Target.ID()}
			rep, err := replicate.New(src, dst, replicate.Options{SourceID: ends.Source, TargetID: ends.Target, Policy: policy})
			if err != nil {
				t.Fatal(err)
			}
			run := func() {
				sum, err := backfill.Run(t.Context(), src, dst, rep, backfill.Options{Ends: ends, Policy: policy, Delete: true, MaxDelete: 10})
				if err != nil || sum.Failed > 0 {
					t.Errorf("%+v, %v", sum, err)
				}
			}
			prefix, large := fn.Source.Prefix(), bytes.Repeat([]byte("crossfade"), 1<<12)
			for _, key := range []string{"a", "b", "c"} {
				p.put("photos", prefix+key, []byte(key), "text/plain")
			}
			p.put("photos", prefix+"large", large, "text/plain")
			run()
			p.put("photos", prefix+"a", []byte("a"), "text/html")
			p.put("photos", prefix+"large", large[1:], "text/plain")
			p.remove("photos", prefix+"b")
			run()
			denied, surplus := compareAzure(plan.azureGrants(t, "backfill_"), rec.take())
			if denied != nil {
				t.Errorf("the backfill needs what its roles do not grant: %q", denied)
			}
			if surplus != nil {
				t.Errorf("its roles grant what the backfill never needs: %q", surplus)
			}
		})
	}
}

// declareIn is what crossfade init does, with openers.
func (p *privilege) declareIn(fn config.Function, openers config.Openers) {
	p.t.Helper()
	st, err := fn.Control.Open(p.t.Context(), openers)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.docs, err = control.Open(st, fn.Migration, rand.Text); err != nil {
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
