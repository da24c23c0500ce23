package clients

import (
	"strings"
	"testing"

	"cove/registry/browse"
)

// TestSetup: with an authority of our own every client is told to trust it, with
// a certificate that all know none is, and without TLS each is told so.
func TestSetup(t *testing.T) {
	t.Parallel()
	own := Setup{Base: "https://hub:5000", Host: "hub:5000", User: "ada", Own: true}
	known, plain := own, own
	known.Own = false
	plain.Base, plain.Own = "http://hub:5000", false
	for i, c := range own.Clients() {
		if !strings.Contains(c.Commands, "https://hub:5000/ca.crt") {
			t.Errorf("%s is not told where the certificate is:\n%s", c.ID, c.Commands)
		}
		if got := known.Clients()[i].Commands; strings.Contains(got, "ca.crt") {
			t.Errorf("%s need not be told:\n%s", c.ID, got)
		}
		insecure := map[string]string{
			"docker": "insecure-registries", "podman": "--tls-verify=false", "containerd": `[host."http://hub:5000"]`,
			"kubelet": "kubectl", "cove": "--insecure-registry hub:5000", "helm": "--plain-http",
			"buildkit": "http = true",
		}[c.ID]
		if got := plain.Clients()[i].Commands; !strings.Contains(got, insecure) || strings.Contains(got, "ca.crt") {
			t.Errorf("%s without TLS:\n%s", c.ID, got)
		}
		for _, want := range []string{"ada", "hub:5000/library"} {
			if !strings.Contains(c.Commands, want) {
				t.Errorf("%s: no %s:\n%s", c.ID, want, c.Commands)
			}
		}
	}
}

func TestPull(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, kind, want string }{
		{"team/app:v1", "kind.image", "docker pull hub/team/app:v1"},
		{"team/chart:1.0.0_build", "kind.chart", "helm pull oci://hub/team/chart --version 1.0.0+build"},
		{"team/sbom@sha256:" + strings.Repeat("a", 64), "kind.sbom", "oras pull hub/team/sbom@sha256:aaaa"},
	} {
		name, err := browse.ParseName(tc.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := Pull("hub", name, tc.kind)[0].Commands; !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: %s", tc.name, got)
		}
	}
	list := Pull("hub", browse.Name{Repository: "a/b", Tag: "c"}, "kind.image")
	if Choose(list, "podman").Commands != "podman pull hub/a/b:c" || Choose(list, "<script>").ID != "docker" {
		t.Error("the client that is shown is not the one that was chosen")
	}
}
