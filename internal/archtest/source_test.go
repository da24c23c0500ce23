package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mountCalls are the system calls that only the rooms in mountRooms make.
var (
	mountCalls = map[string]bool{
		"Mount": true, "Unmount": true, "Fsopen": true, "Fsmount": true, "MoveMount": true, "OpenTree": true,
		"Setns": true, "Unshare": true, "PivotRoot": true,
	}
	mountRooms = []string{"layers/snapshot/overlay", "sandbox", "network", "runner", "internal/disktest"}
)

// tracked visits the Go files that git knows.
func tracked(t *testing.T, visit func(name string, fset *token.FileSet, f *ast.File)) {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.go")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		src, err := os.ReadFile(filepath.Join("../..", name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, src, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		visit(name, fset, f)
	}
}

func TestMountAndNamespaceCallsStayInTheirRooms(t *testing.T) {
	tracked(t, func(name string, fset *token.FileSet, f *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		for _, r := range mountRooms {
			if strings.HasPrefix(name, r+"/") {
				return
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "unix" || x.Name == "syscall") && mountCalls[sel.Sel.Name] {
				t.Errorf("%s: %s.%s belongs to %v", fset.Position(n.Pos()), x.Name, sel.Sel.Name, mountRooms)
			}
			return true
		})
	})
}

func TestNoPackageIsAJunkDrawer(t *testing.T) {
	junk := regexp.MustCompile(`^(utils?|common|types|helpers?|misc)$`)
	tracked(t, func(name string, _ *token.FileSet, f *ast.File) {
		if junk.MatchString(f.Name.Name) {
			t.Errorf("%s: package %s says nothing of what it is for", name, f.Name.Name)
		}
	})
}

// The project speaks of itself alone: a leftover word stands over something
// unfinished.
func TestNothingIsLeftUnfinished(t *testing.T) {
	word := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	tracked(t, func(name string, fset *token.FileSet, f *ast.File) {
		for _, group := range f.Comments {
			for _, c := range group.List {
				if m := word.FindString(c.Text); m != "" {
					t.Errorf("%s: %s", fset.Position(c.Pos()), m)
				}
			}
		}
	})
	if out, err := exec.Command("git", "-C", "../..", "ls-files").Output(); err == nil {
		for line := range bytes.Lines(out) {
			if fi, err := os.Stat(filepath.Join("../..", strings.TrimSpace(string(line)))); err == nil && fi.Size() > 1<<20 {
				t.Errorf("%s is %d bytes: no binaries in the repository", strings.TrimSpace(string(line)), fi.Size())
			}
		}
	}
}
