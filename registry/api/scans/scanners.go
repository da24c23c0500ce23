package scans

import (
	"time"

	"cove/registry/api/rest"
	"cove/registry/scan"
	"cove/registry/scan/adapter"
	"cove/registry/scan/scanners"
)

// Scanner is a scanner of others, which is spoken to by Harbor's API for such.
type Scanner struct {
	Name        string `json:"name"`
	URL         string `json:"url"`            // without /api/v1
	Auth        string `json:"auth,omitempty"` // basic, bearer, api-key; "" is none
	Insecure    bool   `json:"insecure"`       // takes a certificate that nobody vouches for
	Authorities string `json:"authorities,omitempty"`
	Registry    string `json:"registry,omitempty"` // the address by which it pulls, if not the one of all
	// Default scans for all projects that choose no scanner.
	Default   bool      `json:"default"`
	AgainDays int       `json:"againDays"` // after which an image is scanned again; 0 is never
	By        string    `json:"by"`
	At        time.Time `json:"at"`
}

// ScannerOf is one as the API and the command line show it.
func ScannerOf(s scanners.Scanner) Scanner {
	return Scanner{
		s.Name, s.URL, string(s.Auth), s.SkipVerify, s.CA, s.Registry, s.Standard, s.AgainDays, s.By, s.At.UTC(),
	}
}

// NewScanner is what a scanner is to be.
type NewScanner struct {
	Name        string `json:"name,omitempty"` // as in the path, if that has one
	URL         string `json:"url"`            // as https://HOST[:PORT][/PATH], without /api/v1
	Auth        string `json:"auth,omitempty"` // basic, bearer, api-key; none, if it is not said
	Insecure    bool   `json:"insecure,omitempty"`
	Authorities string `json:"authorities,omitempty"` // certificates to trust beside the system's, PEM
	Registry    string `json:"registry,omitempty"`    // the address by which it is to pull, if not the one of all
	Default     bool   `json:"default,omitempty"`
	AgainDays   *int   `json:"againDays,omitempty"` // 1, if it is not said
	// Credential is USER:PASSWORD, a token or a key. It stays what it was, if it is not said
	// and neither address nor auth change.
	Credential *string `json:"credential,omitempty"`
}

func (n NewScanner) spec() scanners.Spec {
	s := scanners.Spec{
		Name: n.Name, URL: n.URL, Auth: adapter.Auth(n.Auth), SkipVerify: n.Insecure, CA: n.Authorities,
		Registry: n.Registry, Standard: n.Default, AgainDays: 1, KeepCredential: n.Credential == nil,
	}
	if n.AgainDays != nil {
		s.AgainDays = *n.AgainDays
	}
	if n.Credential != nil {
		s.Credential = *n.Credential
	}
	return s
}

// Scanners are all of them, by name.
type Scanners struct {
	Items []Scanner `json:"items"`
}

// Tested is what a scanner said of itself.
type Tested struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error,omitempty"`
	Name    string `json:"name,omitempty"`
	Vendor  string `json:"vendor,omitempty"`
	Version string `json:"version,omitempty"`
}

func (s *Scans) scanners() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/security/scanners", Right: scan.ReadAll, Object: "security",
			ID: "listScanners", Summary: "The scanners of others, which speak Harbor's API for scanners",
			Answer: Scanners{},
			Status: 200, Serve: s.listScanners,
		},
		{
			Method: post, Path: "/security/scanners", Right: scan.Manage, Object: "security",
			ID: "createScanner", Summary: "Add a scanner",
			Body: NewScanner{}, Answer: Scanner{},
			Status: 201, Serve: s.createScanner,
		},
		{
			Method: get, Path: "/security/scanners/{scanner}", Right: scan.Manage, Object: "security",
			ID: "getScanner", Summary: "One of them",
			Answer: Scanner{},
			Status: 200, ETag: true, Serve: func(asked *rest.Ask) (any, error) {
				found, err := s.p.Scans.Scanners.Get(asked.Context(), asked.Caller, asked.PathValue("scanner"))
				return ScannerOf(found), err
			},
		},
		{
			Method: put, Path: "/security/scanners/{scanner}", Right: scan.Manage, Object: "security",
			ID: "setScanner", Summary: "Change one, all of it",
			Body: NewScanner{}, Answer: Scanner{},
			Status: 200, Serve: s.setScanner,
		},
		{
			Method: remove, Path: "/security/scanners/{scanner}", Right: scan.Manage, Object: "security",
			ID: "deleteScanner", Summary: "Remove one that no project has chosen",
			Status: 204, Serve: func(asked *rest.Ask) (any, error) {
				return nil, s.p.Scans.Scanners.Remove(asked.Context(), asked.Caller, asked.PathValue("scanner"))
			},
		},
		{
			Method: post, Path: "/security/scanners/{scanner}/test", Right: scan.Manage, Object: "security",
			ID: "testScanner", Summary: "Ask one whether it is there, and what it is",
			Answer: Tested{},
			Status: 200, Serve: s.testScanner,
		},
	}
}

func (s *Scans) listScanners(asked *rest.Ask) (any, error) {
	all, err := s.p.Scans.Scanners.List(asked.Context(), asked.Caller)
	out := Scanners{Items: make([]Scanner, len(all))}
	for i, one := range all {
		out.Items[i] = ScannerOf(one)
	}
	return out, err
}

func (s *Scans) createScanner(asked *rest.Ask) (any, error) {
	var body NewScanner
	if err := asked.Read(&body); err != nil {
		return nil, err
	}
	spec := body.spec()
	spec.KeepCredential = false
	made, err := s.p.Scans.Scanners.Create(asked.Context(), asked.Caller, spec)
	return ScannerOf(made), err
}

func (s *Scans) setScanner(asked *rest.Ask) (any, error) {
	var body NewScanner
	if err := asked.Read(&body); err != nil {
		return nil, err
	}
	name := asked.PathValue("scanner")
	if body.Name != "" && body.Name != name {
		return nil, rest.Invalid("name %q: a scanner keeps its name, which is %q", body.Name, name)
	}
	body.Name = name
	to, err := s.p.Scans.Scanners.Set(asked.Context(), asked.Caller, body.spec())
	return ScannerOf(to), err
}

func (s *Scans) testScanner(asked *rest.Ask) (any, error) {
	name := asked.PathValue("scanner")
	if _, err := s.p.Scans.Scanners.Get(asked.Context(), asked.Caller, name); err != nil {
		return nil, err
	}
	said, err := s.p.Scans.Scanners.Test(asked.Context(), asked.Caller, name)
	if err != nil {
		return Tested{Error: err.Error()}, nil //nolint:nilerr // the answer is what the scanner said
	}
	return Tested{OK: true, Name: said.Scanner.Name, Vendor: said.Scanner.Vendor, Version: said.Scanner.Version}, nil
}
