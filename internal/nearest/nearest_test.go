package nearest

import (
	"fmt"
	"testing"
)

func TestName(t *testing.T) {
	t.Parallel()
	flags := []string{"memory", "name", "network", "publish", "pids-limit", "user", "image", "images"}
	for in, want := range map[string]string{
		"memroy": "memory", "naem": "name", "pid-limit": "pids-limit", "newtork": "network",
		"mem": "memory", "imagse": "images", "zzzzzz": "", "publsh": "publish",
	} {
		if got := Name(in, flags); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"readme.md": "README.md", "REDME.md": "README.md", "makefil": "Makefile", "x": ""} {
		if got := Fold(in, []string{"README.md", "Makefile"}); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestQuestion(t *testing.T) {
	t.Parallel()
	stages := []string{"build", "Release", ""}
	for in, want := range map[string]string{
		"biuld": `; did you mean "build"?`, "RELEASES": `; did you mean "Release"?`, "test": "", "": "",
	} {
		if got := Question(in, stages); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
	if got := Question("build", nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

func ExampleName() {
	fmt.Println(Name("biuld", []string{"build", "test", "release"}))
	// Output: build
}
