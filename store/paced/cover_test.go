package paced_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/limit"
	"github.com/crossfade-io/crossfade/store/retry"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// notCovered are the interfaces of caps.go that a decorator need not stand
// before, with the reason.
var notCovered = map[string]string{
	"UniqueVersions": "a marker",
	"Unwrapper":      "of decorators themselves",
	"Coverer":        "of decorators themselves",
}

// TestEveryCapabilityIsCovered: a new one in caps.go would else pass the
// decorators by without a word.
func TestEveryCapabilityIsCovered(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../caps.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	inner := memstore.Fresh()
	covers := map[string]reflect.Type{
		"retry": reflect.TypeOf(retry.New(inner, time.Now, retry.Options{}).Cover(inner)),
		"limit": reflect.TypeOf(limit.New(inner, time.Now, limit.Options{}).Cover(inner)),
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.TypeSpec)
		if !ok {
			return true
		}
		iface, ok := spec.Type.(*ast.InterfaceType)
		if !ok || notCovered[spec.Name.Name] != "" {
			return true
		}
		n++
		for _, m := range iface.Methods.List {
			for _, name := range m.Names {
				for decorator, c := range covers {
					if _, ok := c.MethodByName(name.Name); !ok {
						t.Errorf("%s does not cover %s.%s", decorator, spec.Name.Name, name.Name)
					}
				}
			}
		}
		return true
	})
	if n < 2 {
		t.Errorf("%d capabilities found in caps.go", n)
	}
	if _, ok := store.As[store.UniqueVersions](retry.New(inner, time.Now, retry.Options{})); !ok {
		t.Error("markers do not pass")
	}
}
