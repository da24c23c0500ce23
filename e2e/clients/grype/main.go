//go:build ignore

// Command grype makes a database for grype, by grype's own library, in a folder: a
// vulnerability of log4j-core and nothing else. The Makefile builds it in a module of
// its own, for what grype needs is five times what the rest of this program does.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v6 "github.com/anchore/grype/grype/db/v6"
	"github.com/spf13/afero"
)

func main() {
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(dir string) error {
	w, err := v6.NewWriter(v6.Config{DBDirPath: dir})
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	provider := v6.Provider{ID: "github", Version: "1", Processor: "cove", DateCaptured: &now, InputDigest: "xxh64:0"}
	vulnerability := v6.VulnerabilityHandle{
		Name: "GHSA-jfh8-c2jp-5v3q", Status: v6.VulnerabilityActive, ProviderID: provider.ID, Provider: &provider,
		BlobValue: &v6.VulnerabilityBlob{ID: "GHSA-jfh8-c2jp-5v3q", Aliases: []string{"CVE-2021-44228"}},
	}
	err = errors.Join(w.SetDBMetadata(), w.AddProvider(provider), w.AddVulnerabilities(&vulnerability))
	if err == nil {
		err = w.AddAffectedPackages(&v6.AffectedPackageHandle{
			Vulnerability: &vulnerability, VulnerabilityID: vulnerability.ID,
			Package: &v6.Package{Ecosystem: "java-archive", Name: "org.apache.logging.log4j:log4j-core"},
			BlobValue: &v6.PackageBlob{CVEs: []string{"CVE-2021-44228"}, Ranges: []v6.Range{{
				Version: v6.Version{Type: "Maven", Constraint: ">=2.0.0,<2.15.0"},
			}}},
		})
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	sum, err := v6.CalculateDBDigest(afero.NewOsFs(), filepath.Join(dir, v6.VulnerabilityDBFileName))
	if err != nil {
		return err
	}
	text, err := json.Marshal(v6.ImportMetadata{Digest: sum, ClientVersion: "v6.0.0"})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, v6.ImportMetadataFileName), text, 0o600)
}
