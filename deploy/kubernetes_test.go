package deploy_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/testutil/killtest"
)

// podSpec is what is looked at of a pod.
type podSpec struct {
	ServiceAccountName            string
	AutomountServiceAccountToken  *bool
	TerminationGracePeriodSeconds int
	SecurityContext               struct {
		RunAsNonRoot   bool
		SeccompProfile struct{ Type string }
	}
	Containers []struct {
		Name, Image string
		Args        []string
		Env         []struct{ Name, Value string }
		Ports       []struct {
			Name          string
			ContainerPort int
		}
		LivenessProbe, ReadinessProbe *struct {
			HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
		}
		Lifecycle struct {
			PreStop struct{ Sleep struct{ Seconds int } }
		}
		Resources       struct{ Requests, Limits map[string]string }
		SecurityContext struct {
			AllowPrivilegeEscalation *bool
			ReadOnlyRootFilesystem   bool
			Capabilities             struct{ Drop []string }
		}
		VolumeMounts []struct{ Name, MountPath string }
	}
	Volumes []struct {
		Name      string
		ConfigMap *struct{ Name string }
	}
}

// UnmarshalYAML reads it under the names of Kubernetes, which are those of the
// fields with a small first letter.
func (p *podSpec) UnmarshalYAML(n *yaml.Node) error {
	lower(n)
	type plain podSpec
	return n.Decode((*plain)(p))
}

// lower turns the keys of a document into those that package yaml expects.
func lower(n *yaml.Node) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Value != "httpGet" {
			c.Value = strings.ToLower(c.Value)
		}
		lower(c)
	}
}

// manifest is a document of deploy/kubernetes.
type manifest struct {
	file     string // its name
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		CompletionMode           string `yaml:"completionMode"`
		Completions, Parallelism int
		Template                 podTemplate
		JobTemplate              struct {
			Spec struct{ Template podTemplate }
		} `yaml:"jobTemplate"`
	}
}

type podTemplate struct {
	Metadata struct{ Labels map[string]string }
	Spec     podSpec
}

func (m manifest) template() podTemplate {
	if m.Kind == "CronJob" {
		return m.Spec.JobTemplate.Spec.Template
	}
	return m.Spec.Template
}

func (m manifest) pod() podSpec              { return m.template().Spec }
func (m manifest) labels() map[string]string { return m.template().Metadata.Labels }

// manifests are those in a directory that kustomization.yaml lists.
func manifests(t testing.TB, dir string) (all []manifest) {
	t.Helper()
	for _, name := range kustomization(t, dir).Resources {
		raw, err := os.ReadFile(path.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		m := manifest{file: name}
		if err := yaml.Unmarshal(raw, &m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, m)
	}
	return all
}

// kustom is a kustomization.yaml.
type kustom struct {
	Resources, Components []string
	ConfigMapGenerator    []struct {
		Name  string
		Files []string
	} `yaml:"configMapGenerator"`
	Patches []struct{ Path string }
	Images  []struct{ Name string }
}

func kustomization(t testing.TB, dir string) (k kustom) {
	t.Helper()
	raw, err := os.ReadFile(path.Join(dir, "kustomization.yaml"))
	if err == nil {
		err = yaml.Unmarshal(raw, &k)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Each file of deploy/kubernetes is there for a kustomization that names it, and
// each that is named exists.
func TestKustomizations(t *testing.T) {
	t.Parallel()
	named, found := map[string]bool{}, 0
	walk := func(f func(name string)) {
		if err := filepath.WalkDir("kubernetes", func(name string, d fs.DirEntry, err error) error {
			if name == "kubernetes/schema" {
				return fs.SkipDir
			}
			if err == nil && !d.IsDir() {
				f(filepath.ToSlash(name))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	walk(func(name string) {
		if path.Base(name) != "kustomization.yaml" {
			return
		}
		found++
		dir := path.Dir(name)
		k := kustomization(t, dir)
		files := slices.Concat(k.Resources, k.Components)
		for _, g := range k.ConfigMapGenerator {
			files = append(files, g.Files...)
		}
		for _, p := range k.Patches {
			if p.Path != "" {
				files = append(files, p.Path)
			}
		}
		for _, f := range files {
			if named[path.Join(dir, f)] = true; !exists(path.Join(dir, f)) {
				t.Errorf("%s: there is no %s", name, f)
			}
		}
	})
	walk(func(name string) {
		if path.Base(name) != "kustomization.yaml" && path.Ext(name) != ".md" && !named[name] {
			t.Errorf("%s is named by no kustomization", name)
		}
	})
	if found < 5 {
		t.Errorf("only %d kustomizations were found", found)
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// What runs in a pod is confined, has its file, and has the time to end in order.
func TestPods(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("kubernetes/base/crossfade.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file, err := config.Load(raw, "crossfade.yaml", func(string) (string, bool) { return "", false }, nil)
	if err != nil {
		t.Fatal(err)
	}
	overlays, err := filepath.Glob("kubernetes/overlays/*")
	if err != nil || len(overlays) < 3 {
		t.Fatal(overlays, err)
	}
	pods := 0
	for _, m := range slices.Concat(manifests(t, "kubernetes/base"), manifests(t, "kubernetes/backfill"), manifests(t, "kubernetes/schedule")) {
		p := m.pod()
		if len(p.Containers) == 0 {
			continue
		}
		pods++
		wrong := func(ok bool, what string) {
			if !ok {
				t.Errorf("%s %s: %s", m.Kind, m.Metadata.Name, what)
			}
		}
		wrong(p.SecurityContext.RunAsNonRoot && p.SecurityContext.SeccompProfile.Type == "RuntimeDefault", "it may be root, or make any system call")
		wrong(p.ServiceAccountName == "crossfade" && p.AutomountServiceAccountToken != nil && !*p.AutomountServiceAccountToken, "its service account")
		wrong(len(p.Volumes) == 1 && p.Volumes[0].ConfigMap != nil && p.Volumes[0].ConfigMap.Name == "crossfade", "it lacks its file")
		c := p.Containers[0]
		s := c.SecurityContext
		wrong(s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation && s.ReadOnlyRootFilesystem && slices.Equal(s.Capabilities.Drop, []string{"ALL"}), "it is not confined")
		for _, overlay := range overlays {
			images := kustomization(t, overlay).Images
			wrong(len(images) == 1 && c.Image == images[0].Name, "its image is not that of "+overlay)
		}
		wrong(m.labels()["app.kubernetes.io/name"] == "crossfade" || slices.Contains(kustomization(t, "kubernetes/base").Resources, m.file), "the NetworkPolicy does not choose it")
		wrong(c.Resources.Limits["memory"] != "" && c.Resources.Requests["cpu"] != "", "it has no bounds")
		wrong(len(c.VolumeMounts) == 1 && c.VolumeMounts[0].Name == p.Volumes[0].Name && slices.Contains(c.Args, c.VolumeMounts[0].MountPath+"/crossfade.yaml"), "it does not read its file")
		if m.Kind != "Deployment" {
			continue
		}
		grace := time.Duration(p.TerminationGracePeriodSeconds-c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
		wrong(grace > file.Run.Grace, fmt.Sprintf("%s are left for a drain of %s", grace, file.Run.Grace))
		wrong(len(c.Ports) == 1 && strings.HasSuffix(file.Run.Listen, fmt.Sprint(":", c.Ports[0].ContainerPort)), "its port is not run.listen")
		wrong(c.LivenessProbe != nil && c.LivenessProbe.HTTPGet.Path == "/healthz" && c.ReadinessProbe != nil && c.ReadinessProbe.HTTPGet.Path == "/readyz", "its probes")
		wrong(strings.HasPrefix(file.Run.Listen, "0.0.0.0:"), "nobody reaches it")
	}
	if pods != 4 {
		t.Errorf("%d pods were found", pods)
	}
}

// The pods of the backfill share all keys: as many shards as there are pods, each
// with an index of its own.
func TestIndexedJob(t *testing.T) {
	t.Parallel()
	for _, m := range manifests(t, "kubernetes/backfill") {
		c := m.pod().Containers[0]
		env := map[string]string{}
		for _, e := range c.Env {
			env[e.Name] = e.Value
		}
		shards, err := strconv.Atoi(env["SHARDS"])
		if err != nil || m.Spec.CompletionMode != "Indexed" || m.Spec.Completions != shards || m.Spec.Parallelism != shards {
			t.Errorf("%s: %+v, %d shards, %v", m.Metadata.Name, m.Spec, shards, err)
		}
		i := slices.Index(c.Args, "--shard")
		if i < 0 || c.Args[i+1] != "$(SHARD)/$(SHARDS)" {
			t.Errorf("%s: %q", m.Metadata.Name, c.Args)
		}
		if _, err := backfill.ParseShard(fmt.Sprintf("%d/%d", shards-1, shards)); err != nil {
			t.Error(err)
		}
	}
}

// The command lines are crossfade's, and it takes every crossfade.yaml.
func TestKubernetesCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := killtest.Build(dir, "cmd/crossfade"); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "crossfade"), args...)
		cmd.Env = []string{"HOME=" + dir, "WEBHOOK_TOKEN=0123456789abcdef"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("crossfade %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	verbs := map[string]bool{}
	for _, m := range slices.Concat(manifests(t, "kubernetes/base"), manifests(t, "kubernetes/backfill"), manifests(t, "kubernetes/schedule")) {
		for _, c := range m.pod().Containers {
			verbs[c.Args[0]] = true
			help := run(c.Args[0], "--help")
			for _, arg := range c.Args[1:] {
				if strings.HasPrefix(arg, "-") && !strings.Contains(help, " "+arg+" ") && !strings.Contains(help, " "+arg+",") {
					t.Errorf("crossfade %s has no %s", c.Args[0], arg)
				}
			}
		}
	}
	if !verbs["run"] || !verbs["backfill"] || !verbs["verify"] {
		t.Errorf("of verbs there are %v", verbs)
	}
	files, err := filepath.Glob("kubernetes/*/crossfade.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("kubernetes/overlays/*/crossfade.yaml")
	if err != nil || len(more) < 3 {
		t.Fatal(more, err)
	}
	for _, f := range append(files, more...) {
		run("config", "check", "-f", f)
		if raw, err := os.ReadFile(f); err != nil || !bytes.Contains(raw, []byte("\nrun:")) {
			t.Errorf("%s: %v", f, err)
		}
	}
}
