// Package schema_test decodes the manifests strictly into the types of Kubernetes:
// a field that there is not, or of another type, is an error.
package schema_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// kinds are those that the manifests may be of.
var kinds = map[string]func() any{
	"apps/v1 Deployment":                 func() any { return new(appsv1.Deployment) },
	"batch/v1 CronJob":                   func() any { return new(batchv1.CronJob) },
	"batch/v1 Job":                       func() any { return new(batchv1.Job) },
	"networking.k8s.io/v1 NetworkPolicy": func() any { return new(networkingv1.NetworkPolicy) },
	"policy/v1 PodDisruptionBudget":      func() any { return new(policyv1.PodDisruptionBudget) },
	"v1 Service":                         func() any { return new(corev1.Service) },
	"v1 ServiceAccount":                  func() any { return new(corev1.ServiceAccount) },
}

func decode(doc []byte) error {
	var head struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(doc, &head); err != nil {
		return err
	}
	into, ok := kinds[head.APIVersion+" "+head.Kind]
	if !ok {
		return fs.ErrInvalid
	}
	return yaml.UnmarshalStrict(doc, into())
}

func TestManifests(t *testing.T) {
	decoded := 0
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		base := filepath.Base(name)
		if err != nil || d.IsDir() || filepath.Ext(name) != ".yaml" || base == "kustomization.yaml" || base == "crossfade.yaml" {
			return err
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for doc := range bytes.SplitSeq(raw, []byte("\n---\n")) {
			if err := decode(doc); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			decoded++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if decoded < 10 {
		t.Errorf("only %d manifests were found", decoded)
	}
}

// A misspelt field and a field of another type are found.
func TestStrict(t *testing.T) {
	const good = "apiVersion: v1\nkind: Service\nmetadata:\n  name: x\nspec:\n  ports:\n    - port: 80\n"
	if err := decode([]byte(good)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		strings.Replace(good, "ports", "prots", 1), strings.Replace(good, "80", "eighty", 1), strings.Replace(good, "Service", "Servant", 1),
	} {
		if decode([]byte(bad)) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
