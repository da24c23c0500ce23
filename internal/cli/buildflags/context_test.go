package buildflags

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNamedContextFlag(t *testing.T) {
	t.Parallel()
	got, err := NamedContexts([]string{"a=dir", "b=docker-image://x=y", "c::linux/arm64=oci-layout://d:v1"}, false)
	want := map[string]string{"a": "dir", "b": "docker-image://x=y", "c::linux/arm64": "oci-layout://d:v1"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for flag, want := range map[string]string{"a": "NAME=CONTEXT", "=x": "NAME=CONTEXT", "a=": "NAME=CONTEXT", "a=-": "standard input", "a=target:b": "bake"} {
		if _, err := NamedContexts([]string{flag}, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", flag, err, want)
		}
	}
}

func TestSSHFlag(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("SSH_AUTH_SOCK", "")
	for flag, want := range map[string]string{
		"default": "SSH_AUTH_SOCK is not set", "a=/does/not/exist": "no such file", "=" + socket: "an id of its own", "a=": "no such file",
	} {
		if _, err := Agents([]string{flag}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--ssh %s: %v, want %q", flag, err, want)
		}
	}
	t.Setenv("SSH_AUTH_SOCK", socket)
	got, err := Agents([]string{"default", "other=" + socket})
	if err != nil || got["default"] == nil || got["other"] == nil {
		t.Errorf("%v %v", got, err)
	}
	if _, err := Agents([]string{"default", "default=" + socket}); err == nil {
		t.Error("one id twice is accepted")
	}
}
