package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// flaglessRooms are those whose errors name no flag of the command line: an API shows them,
// too. They suggest remedies (errdefs.Suggest), for which each edge has words of its own.
var flaglessRooms = []string{
	"content/", "distribution/", "engine/", "events/", "images/", "inventory/", "layers/", "network/", "reference/",
	"registry/", "runner/", "sandbox/", "volume/",
}

// flagRooms are edges below them: their grammar is their own.
var flagRooms = []string{"engine/api/", "runner/oci/", "runner/monitor/main.go"}

var (
	aFlag = regexp.MustCompile(`(^|[^\w-])--[a-z]`)
	// of another program, or of an instruction of a Dockerfile
	anothersFlag = regexp.MustCompile(`(usermod|groupadd|FROM|RUN) --[\w-]+( and --[\w-]+)?`)
)

func TestFloorsNameNoFlags(t *testing.T) {
	in := func(rooms []string, name string) bool {
		return slices.ContainsFunc(rooms, func(r string) bool { return strings.HasPrefix(name, r) })
	}
	tracked(t, func(name string, fset *token.FileSet, f *ast.File) {
		if !in(flaglessRooms, name) || in(flagRooms, name) || strings.HasSuffix(name, "_test.go") {
			return
		}
		for at, text := range errorTexts(f) {
			if aFlag.MatchString(anothersFlag.ReplaceAllString(text, "")) {
				t.Errorf("%s: %q names a flag: suggest a remedy", fset.Position(at), text)
			}
		}
	})
}

// errorTexts are the texts of which errors are made in a file.
func errorTexts(f *ast.File) map[token.Pos]string {
	texts := map[token.Pos]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !strings.HasSuffix(sel.Sel.Name, "Errorf") && sel.Sel.Name != "New" {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); !ok || sel.Sel.Name == "New" && x.Name != "errors" {
			return true
		}
		for _, arg := range call.Args {
			ast.Inspect(arg, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					texts[lit.Pos()] += lit.Value
				}
				return true
			})
		}
		return true
	})
	return texts
}

func TestErrorTextsAreFound(t *testing.T) {
	f := parse(t, `package p
		var _ = errdefs.Errorf(k, "a %s " + "--flag", x)
		var _ = content.BlobErrorf(k, d, "b")
		var _ = errors.New("c")
		var _ = exec.Command("x", "--not")`)
	var got []string
	for _, text := range errorTexts(f) {
		got = append(got, text)
	}
	slices.Sort(got)
	if want := []string{`"--flag"`, `"a %s "`, `"b"`, `"c"`}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
