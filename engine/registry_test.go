package engine

import "testing"

func TestRegistryHost(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "docker.io", "harbor:85": "harbor:85", "https://harbor.example.com/": "harbor.example.com", "http://h:1/v2/": "h:1",
	} {
		var args []string
		if in != "" {
			args = []string{in}
		}
		if got := RegistryHost(args...); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
