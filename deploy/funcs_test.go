package deploy_test

import (
	"encoding/base64"
	"errors"
	"math"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// builtins are functions of Terraform that need no file system and no clock, and
// stand-ins for some that do. What is called and not here fails a check: either
// it does not exist, or it wants adding.
var builtins = map[string]function.Function{
	"abs": stdlib.AbsoluteFunc, "can": tryfunc.CanFunc, "ceil": stdlib.CeilFunc, "chomp": stdlib.ChompFunc,
	"coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc,
	"concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc,
	"element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc, "floor": stdlib.FloorFunc,
	"format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc, "indent": stdlib.IndentFunc,
	"join": stdlib.JoinFunc, "jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
	"keys": stdlib.KeysFunc, "lower": stdlib.LowerFunc, "max": stdlib.MaxFunc, "merge": stdlib.MergeFunc,
	"min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "range": stdlib.RangeFunc, "regex": stdlib.RegexFunc,
	"regexall": stdlib.RegexAllFunc, "reverse": stdlib.ReverseListFunc, "setproduct": stdlib.SetProductFunc,
	"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc,
	"sort": stdlib.SortFunc, "split": stdlib.SplitFunc, "substr": stdlib.SubstrFunc, "title": stdlib.TitleFunc,
	"trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc,
	"trimsuffix": stdlib.TrimSuffixFunc, "try": tryfunc.TryFunc, "upper": stdlib.UpperFunc,
	"values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc, "lookup": stdlib.LookupFunc,
	"replace": stdlib.ReplaceFunc,

	"tobool": stdlib.MakeToFunc(cty.Bool), "tonumber": stdlib.MakeToFunc(cty.Number), "tostring": stdlib.MakeToFunc(cty.String),
	"tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)), "tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
	"toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),

	"startswith": textual(cty.Bool, func(s ...string) cty.Value { return cty.BoolVal(strings.HasPrefix(s[0], s[1])) }, 2),
	"endswith":   textual(cty.Bool, func(s ...string) cty.Value { return cty.BoolVal(strings.HasSuffix(s[0], s[1])) }, 2),
	"strcontains": textual(cty.Bool, func(s ...string) cty.Value {
		return cty.BoolVal(strings.Contains(s[0], s[1]))
	}, 2),
	"base64encode": textual(cty.String, func(s ...string) cty.Value {
		return cty.StringVal(base64.StdEncoding.EncodeToString([]byte(s[0])))
	}, 1),
	"file": standFor("file", 1), "filebase64sha256": standFor("filebase64sha256", 1), "filemd5": standFor("filemd5", 1),
	"filesha256": standFor("filesha256", 1), "sha1": standFor("sha1", 1), "sha256": standFor("sha256", 1), "md5": standFor("md5", 1),
	"length": function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if args[0].Type() == cty.String {
				return stdlib.Strlen(args[0])
			}
			return stdlib.Length(args[0])
		},
	}),
	"one": function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType, AllowDynamicType: true}},
		Type:   function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			switch n := args[0].LengthInt(); n {
			case 0:
				return cty.NullVal(cty.DynamicPseudoType), nil
			case 1:
				return args[0].AsValueSlice()[0], nil
			default:
				return cty.DynamicVal, errors.New("the list has more than one element")
			}
		},
	}),
	"sum": function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Number)}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			total := cty.Zero
			for _, v := range args[0].AsValueSlice() {
				total = total.Add(v)
			}
			return total, nil
		},
	}),
	"alltrue": truths(true), "anytrue": truths(false),
	"pow": function.New(&function.Spec{
		Params: []function.Parameter{{Name: "base", Type: cty.Number}, {Name: "exponent", Type: cty.Number}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			base, _ := args[0].AsBigFloat().Float64()
			exponent, _ := args[1].AsBigFloat().Float64()
			return cty.NumberFloatVal(math.Pow(base, exponent)), nil
		},
	}),
}

// textual makes a function of n texts.
func textual(t cty.Type, f func(...string) cty.Value, n int) function.Function {
	params := make([]function.Parameter, n)
	for i := range params {
		params[i] = function.Parameter{Name: "text", Type: cty.String}
	}
	return function.New(&function.Spec{
		Params: params,
		Type:   function.StaticReturnType(t),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			texts := make([]string, len(args))
			for i, a := range args {
				texts[i] = a.AsString()
			}
			return f(texts...), nil
		},
	})
}

// standFor makes a function whose value stands for itself.
func standFor(name string, n int) function.Function {
	return textual(cty.String, func(s ...string) cty.Value { return cty.StringVal(name + "(" + strings.Join(s, ",") + ")") }, n)
}

// truths is alltrue or anytrue.
func truths(all bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for _, v := range args[0].AsValueSlice() {
				if v.True() != all {
					return cty.BoolVal(!all), nil
				}
			}
			return cty.BoolVal(all), nil
		},
	})
}
