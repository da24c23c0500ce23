package evidence_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"cove/inventory/evidence"
	"cove/inventory/packages"
)

// TestPackagesOfRPM reads a database of CentOS 8 that has epochs, modules and sources
// of other names, and the list that Azure Linux has in the place of one.
func TestPackagesOfRPM(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"var/lib/rpm/Packages", "usr/lib/sysimage/rpm/rpmdb.sqlite", "usr/share/rpm/Packages.db", "var/lib/rpmmanifest/container-manifest-2",
	} {
		if evidence.ByName(name) == nil || evidence.ByName("srv/"+name) != nil {
			t.Errorf("%s: where it is read", name)
		}
	}
	text := "glibc\t2.35-4.cm2\t1\t2\tMicrosoft\t(none)\t9\tx86_64\t0\tglibc-2.35-4.cm2.src.rpm\n" +
		"openssl-libs\t1.1.1k-21.cm2\t1\t2\tMicrosoft\t(none)\t9\tx86_64\t1\topenssl-1.1.1k-21.cm2.src.rpm\nodd\tline\n"
	if got, want := said(t, "var/lib/rpmmanifest/container-manifest-2", text),
		"rpm glibc 2.35-4.cm2 \nrpm openssl-libs 1:1.1.1k-21.cm2 \n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "github.com/anchore/go-rpmdb@v0.2.2")
	cmd.Dir = os.TempDir() // it is a module of tests alone
	out, err := cmd.Output()
	var module struct{ Dir string }
	if err != nil || json.Unmarshal(out, &module) != nil {
		t.Skipf("needs the module of go-rpmdb: %v", err)
	}
	file, err := os.Open(filepath.Join(module.Dir, "pkg/testdata/centos8-modularitylabel/Packages"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	f := evidence.ByName("var/lib/rpm/Packages")("var/lib/rpm/Packages", evidence.Body{ReaderAt: file, Size: info.Size()})
	var got []string
	for _, p := range f.Packages {
		source, number := p.Lookup()
		got = append(got, fmt.Sprintf("%s %s of %s %s, %s, %s", p.Name, p.Version, source, number, p.Module, p.License))
	}
	for _, want := range []string{
		"NetworkManager-libnm 1:1.22.8-5.el8_2 of NetworkManager 1:1.22.8-5.el8_2, , LGPLv2+",
		"perl-Errno 1.28-416.el8 of perl 5.26.3-416.el8, , GPL+ or Artistic",
		"nodejs 1:10.21.0-3.module_el8.2.0+391+8da3adc6 of nodejs 1:10.21.0-3.module_el8.2.0+391+8da3adc6, nodejs:10, " +
			"MIT and ASL 2.0 and ISC and BSD",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("without %q", want)
		}
	}
	if slices.ContainsFunc(f.Packages, func(p packages.Package) bool { return p.Name == "gpg-pubkey" }) {
		t.Error("a key is a package")
	}
	if len(f.Packages) < 500 || !slices.Contains(f.Owned, packages.Hash("usr/bin/node")) {
		t.Errorf("%d packages, %d files", len(f.Packages), len(f.Owned))
	}
}
