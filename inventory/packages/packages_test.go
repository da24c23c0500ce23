package packages_test

import (
	"slices"
	"testing"

	"cove/inventory/packages"
)

func TestPackageURLs(t *testing.T) {
	t.Parallel()
	debian := packages.Release{ID: "debian", Version: "12"}
	for _, tc := range []struct {
		p    packages.Package
		r    packages.Release
		want string
	}{
		{
			packages.Package{Type: packages.Debian, Name: "libstdc++6", Version: "1:12.2.0-14", Arch: "amd64", Source: "gcc-12"},
			debian,
			"pkg:deb/debian/libstdc%2B%2B6@1%3A12.2.0-14?arch=amd64&distro=debian-12&upstream=gcc-12",
		},
		{
			packages.Package{Type: packages.RPM, Name: "bash", Version: "1:5.1-6.el9", Arch: "x86_64", Source: "sh", SourceVersion: "5.0-1.el9"},
			packages.Release{ID: "rocky", Version: "9.3"},
			"pkg:rpm/rocky/bash@5.1-6.el9?arch=x86_64&distro=rocky-9.3&epoch=1&upstream=sh%405.0-1.el9",
		},
		{packages.Package{Type: packages.Alpine, Name: "musl", Version: "1.2"}, packages.Release{}, "pkg:apk/musl@1.2"},
		{packages.Package{Type: packages.Go, Name: "golang.org/x/net", Version: "0.1.0"}, debian, "pkg:golang/golang.org/x/net@0.1.0"},
		{packages.Package{Type: packages.NPM, Name: "@a/b", Version: "1.0.0"}, debian, "pkg:npm/%40a/b@1.0.0"},
		{packages.Package{Type: packages.Maven, Name: "org.x:y", Version: "1"}, debian, "pkg:maven/org.x/y@1"},
		{packages.Package{Type: packages.PyPI, Name: "Flask_Login", Version: "0.6"}, debian, "pkg:pypi/flask-login@0.6"},
	} {
		if got := packages.PURL(tc.p, tc.r); got != tc.want {
			t.Errorf("%s\nwant %s", got, tc.want)
		}
	}
}

// TestStack holds what no layer of a test's tar shows: plain programs, and which word
// on the system counts.
func TestStack(t *testing.T) {
	t.Parallel()
	app := packages.File{
		Path:     "bin/app",
		Packages: []packages.Package{{Type: packages.Go, Name: "stdlib", Version: "1.2"}},
	}
	below := packages.Layer{Files: []packages.File{
		app,
		{
			Path:    "usr/lib/os-release",
			Release: &packages.Release{ID: "debian", Version: "11"},
		},
		{
			Path: "bin/app2",
			Packages: []packages.Package{
				{
					Type:    packages.Go,
					Name:    "stdlib",
					Version: "1.2",
					License: "BSD-3-Clause",
				},
			},
		},
	}, Partial: "it was cut"}
	image := packages.Stack(
		[]packages.Layer{
			below,
			{
				Files: []packages.File{
					{
						Path:    "etc/os-release",
						Release: &packages.Release{ID: "debian", Version: "12"},
					},
				},
			},
		},
	)
	if len(image.Packages) != 1 || image.Packages[0].Path != "bin/app2" ||
		image.Release.Version != "12" ||
		image.Partial == "" {
		t.Errorf("%+v", image)
	}
	plain := []uint64{packages.Hash("bin/app"), packages.Hash("bin/app2")}
	slices.Sort(plain)
	image = packages.Stack([]packages.Layer{below, {Plain: plain}})
	if len(image.Packages) != 0 {
		t.Errorf("other programs took their places: %+v", image.Packages)
	}
	image = packages.Stack([]packages.Layer{below, {Opaque: []string{""}}})
	if len(image.Packages) != 0 || image.Release.ID != "" {
		t.Errorf("all was removed: %+v", image)
	}
}
