// Package scans has the API's operations on what scans found, on databases of
// vulnerabilities, and on what projects keep back.
package scans

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"

	"cove/errdefs"
	"cove/registry/api/rest"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/policies"
	"cove/registry/scan"
	"cove/registry/scan/gate"
	"cove/registry/scan/results"
	"cove/registry/scan/vulndb"
)

// The methods of the table.
const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	remove = http.MethodDelete
)

// Scans has the operations. It is safe for concurrent use.
type Scans struct{ p *policies.Policies }

// New returns the operations over these services.
func New(p *policies.Policies) *Scans { return &Scans{p} }

// Operations are the rows of the API's table.
func (s *Scans) Operations() []rest.Operation {
	return slices.Concat(s.artifacts(), s.overview(), s.databases(), s.scanners(), s.settings(), s.exceptions())
}

func (s *Scans) artifacts() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/scans/{artifact...}", Right: scan.Read, Object: "manifest",
			ID:      "getScan",
			Summary: "The vulnerabilities of an image, or of each image of an index: team/app:v1 or team/app@sha256:…",
			Answer:  Reports{},
			Status:  200, Serve: s.scan,
		},
		{
			Method: post, Path: "/scans/{artifact...}", Right: scan.Create, Object: "manifest",
			ID: "scanArtifact", Summary: "Have an image scanned, or each image of an index",
			Answer: Asked{},
			Status: 202, Serve: s.request,
		},
		{
			Method: get, Path: "/sboms/{artifact...}", Right: scan.ReadSBOM, Object: "manifest",
			ID: "getSBOM", Summary: "What an image holds, as SPDX 2.3 or CycloneDX 1.6 in JSON",
			Query:  []rest.Parameter{formOfSBOM},
			Answer: map[string]any{},
			Status: 200, ETag: true, Serve: s.sbom,
		},
		{
			Method: post, Path: "/sboms/{artifact...}", Right: scan.MakeSBOM, Object: "manifest",
			ID: "attachSBOM", Summary: "Attach what an image holds to it, as a referrer",
			Query:  []rest.Parameter{formOfSBOM},
			Answer: Attached{},
			Status: 201, Serve: s.attach,
		},
	}
}

var formOfSBOM = rest.Parameter{
	Name: "form", About: "spdx (if it is not said) or cyclonedx", Kind: rest.KindText,
}

func (s *Scans) overview() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/security", Right: scan.ReadAll, Object: "security",
			ID: "getSecurity", Summary: "How the whole registry stands",
			Answer: Overview{},
			Status: 200, Serve: s.security,
		},
		{
			Method: post, Path: "/security/scan", Right: scan.Manage, Object: "security",
			ID: "scanAll", Summary: "Have all images scanned that were not",
			Answer: Asked{},
			Status: 202, Serve: s.requestAll,
		},
		{
			Method: get, Path: "/security/artifacts", Right: scan.ReadAll, Object: "security",
			ID: "listVulnerableArtifacts", Summary: "Images of all projects, those with the worst vulnerabilities first",
			Query:  rest.PageOf(),
			Answer: rest.Page[Entry]{},
			Status: 200, Serve: s.worst,
		},
		{
			Method: get, Path: "/projects/{project}/vulnerable", Right: scan.Read, Object: "project",
			ID:      "listVulnerableArtifactsOfProject",
			Summary: "Images of a project, those with the worst vulnerabilities first",
			Query:   rest.PageOf(),
			Answer:  rest.Page[Entry]{},
			Status:  200, Serve: s.worst,
		},
		{
			Method: get, Path: "/security/vulnerabilities.csv", Right: scan.ReadAll, Object: "security",
			ID: "exportVulnerabilities", Summary: "The vulnerabilities of all images as CSV, a line for each in each package",
			Query: wantedOf, Answer: rest.Text(csv),
			Status: 200, Serve: s.export,
		},
		{
			Method: get, Path: "/projects/{project}/vulnerabilities.csv", Right: scan.Export, Object: "project",
			ID: "exportVulnerabilitiesOfProject", Summary: "The vulnerabilities of the images of a project as CSV",
			Query: wantedOf, Answer: rest.Text(csv),
			Status: 200, Serve: s.export,
		},
		{
			Method: get, Path: "/security/vulnerabilities/{vulnerability}", Right: scan.ReadAll, Object: "security",
			ID: "getVulnerability", Summary: "What is known of a vulnerability, and which images have it",
			Query:  rest.PageOf(),
			Answer: Vulnerability{},
			Status: 200, Serve: s.about,
		},
	}
}

func (s *Scans) databases() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/security/databases", Right: scan.ReadAll, Object: "security",
			ID: "listDatabases", Summary: "The databases of vulnerabilities",
			Answer: Databases{},
			Status: 200, Serve: s.listDatabases,
		},
		{
			Method: put, Path: "/security/databases/{database}", Right: scan.Manage, Object: "security",
			ID:      "importDatabase",
			Summary: "Import a database of vulnerabilities, which is the body, in the place of the one of this name",
			Query: []rest.Parameter{{
				Name: "origin", About: "where it is from, for people; HTTP if it is not said", Kind: rest.KindText,
			}},
			Answer: Database{},
			Status: 200, Serve: s.importDatabase,
		},
		{
			Method: remove, Path: "/security/databases/{database}", Right: scan.Manage, Object: "security",
			ID: "deleteDatabase", Summary: "Ask a database no more",
			Status: 204, Serve: s.removeDatabase,
		},
	}
}

// images are those that the path names.
func (s *Scans) images(asked *rest.Ask) ([]results.Image, error) {
	name, err := browse.ParseName(asked.PathValue("artifact"))
	if err != nil {
		return nil, err
	}
	return s.p.Scans.Images(asked.Context(), asked.Caller, name.Repository, name.Tag, name.Digest)
}

// one is the image that the path names.
func (s *Scans) one(asked *rest.Ask) (results.Image, error) {
	all, err := s.images(asked)
	if err != nil {
		return results.Image{}, err
	}
	if len(all) > 1 {
		return results.Image{}, rest.Invalid(
			"that is an index of %d images; name one of them by its digest",
			len(all),
		)
	}
	return all[0], nil
}

func (s *Scans) scan(asked *rest.Ask) (any, error) {
	images, err := s.images(asked)
	if err != nil {
		return nil, err
	}
	out := Reports{Items: []Scan{}}
	for _, i := range images {
		r, err := s.p.Scans.Report(asked.Context(), asked.Caller, i)
		if errors.Is(err, errdefs.ErrNotFound) && len(images) > 1 {
			continue
		}
		if err != nil {
			return nil, err
		}
		found, err := s.p.Scans.Vulnerabilities(asked.Context(), asked.Caller, i)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, ScanOf(r, found))
	}
	return out, nil
}

func (s *Scans) request(asked *rest.Ask) (any, error) {
	name, err := browse.ParseName(asked.PathValue("artifact"))
	if err != nil {
		return nil, err
	}
	images, err := s.p.Scans.Images(asked.Context(), asked.Caller, name.Repository, name.Tag, name.Digest)
	if err != nil {
		return nil, err
	}
	out := Asked{}
	for _, i := range images {
		job, err := s.p.Scans.Request(asked.Context(), asked.Caller, i)
		if err != nil {
			return nil, err
		}
		out.Jobs = append(out.Jobs, strconv.FormatInt(job, 10))
	}
	return out, nil
}

func (s *Scans) requestAll(asked *rest.Ask) (any, error) {
	job, err := s.p.Scans.RequestAll(asked.Context(), asked.Caller)
	return Asked{[]string{strconv.FormatInt(job, 10)}}, err
}

// form is the form of an SBOM that was asked for.
func form(asked *rest.Ask) string {
	if f := asked.Query.Get("form"); f != "" {
		return f
	}
	return "spdx"
}

func (s *Scans) sbom(asked *rest.Ask) (any, error) {
	i, err := s.one(asked)
	if err != nil {
		return nil, err
	}
	text, err := s.p.Scans.SBOM(asked.Context(), asked.Caller, i, form(asked))
	return json.RawMessage(text), err
}

func (s *Scans) attach(asked *rest.Ask) (any, error) {
	i, err := s.one(asked)
	if err != nil {
		return nil, err
	}
	dgst, err := s.p.Scans.Attach(asked.Context(), asked.Caller, i, form(asked))
	return Attached{dgst.String()}, err
}

func (s *Scans) security(asked *rest.Ask) (any, error) {
	o, err := s.p.Scans.Overview(asked.Context(), asked.Caller)
	return OverviewOf(o), err
}

func (s *Scans) worst(asked *rest.Ask) (any, error) {
	page, more, err := s.p.Scans.Worst(asked.Context(), asked.Caller, results.Query{
		Project: asked.PathValue("project"), After: asked.Query.Get("after"), N: asked.Limit,
	})
	if err != nil {
		return nil, err
	}
	return rest.PageTo(asked, entriesOf(page), rest.Next(more, page, results.Entry.Cursor)), nil
}

func (s *Scans) about(asked *rest.Ask) (any, error) {
	v, page, more, err := s.p.Scans.About(
		asked.Context(),
		asked.Caller,
		asked.PathValue("vulnerability"),
		results.Query{
			After: asked.Query.Get("after"), N: asked.Limit,
		},
	)
	if err != nil {
		return nil, err
	}
	next := rest.Next(more, page, func(e results.Entry) string { return e.Digest.String() })
	out := VulnerabilityOf(v)
	out.ID = asked.PathValue("vulnerability")
	out.Artifacts = rest.PageTo(asked, entriesOf(page), next)
	return out, nil
}

func (s *Scans) listDatabases(asked *rest.Ask) (any, error) {
	all, err := s.p.Scans.Databases(asked.Context(), asked.Caller)
	out := Databases{Items: make([]Database, len(all))}
	for i, d := range all {
		out.Items[i] = DatabaseOf(d)
	}
	return out, err
}

// maxDatabase bounds the body that is a database.
const maxDatabase = 8 << 30

func (s *Scans) importDatabase(asked *rest.Ask) (_ any, err error) {
	name := asked.PathValue("database")
	if err := vulndb.CheckName(name); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(s.p.Scans.Spool(), "database-*")
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "the database cannot be taken: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := os.Remove(file.Name()); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "the database cannot be taken: %w", err)
	}
	size, err := io.Copy(file, http.MaxBytesReader(asked.W, asked.Body, maxDatabase))
	if err != nil {
		return nil, rest.Invalid("body: %w", err)
	}
	src, err := s.p.Scans.Import(asked.Context(), asked.Caller, vulndb.New{
		Name: name, Origin: cmp.Or(asked.Query.Get("origin"), "HTTP"),
	}, file, size)
	return DatabaseOf(src), err
}

func (s *Scans) removeDatabase(asked *rest.Ask) (any, error) {
	return nil, s.p.Scans.RemoveDatabase(asked.Context(), asked.Caller, asked.PathValue("database"))
}

func (s *Scans) settings() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/projects/{project}/scanning", Right: gate.Read, Object: "project",
			ID: "getScanning", Summary: "What a project wants of scans, and what it keeps back",
			Answer: Settings{},
			Status: 200, Serve: func(asked *rest.Ask) (any, error) {
				of, err := s.p.Scans.Gates.Of(asked.Context(), asked.Caller, asked.PathValue("project"))
				return SettingsOf(of), err
			},
		},
		{
			Method: put, Path: "/projects/{project}/scanning", Right: gate.Change, Object: "project",
			ID: "setScanning", Summary: "Say what a project wants of scans, and what it keeps back",
			Body:   Settings{},
			Status: 204, Serve: s.set,
		},
	}
}

func (s *Scans) set(asked *rest.Ask) (any, error) {
	var body Settings
	if err := asked.Read(&body); err != nil {
		return nil, err
	}
	of, err := body.settings()
	if err != nil {
		return nil, err
	}
	return nil, s.p.Scans.Gates.Set(asked.Context(), asked.Caller, asked.PathValue("project"), of)
}

// exceptions are operations on what all projects let through, and on what one does.
func (s *Scans) exceptions() (all []rest.Operation) {
	for _, of := range []struct {
		path, suffix, object string
		read, change         auth.Right
	}{
		{"/security/exceptions", "", "security", scan.ReadAll, scan.Manage},
		{"/projects/{project}/scanning/exceptions", "OfProject", "project", gate.Read, gate.Change},
	} {
		all = append(all, rest.Operation{
			Method: get, Path: of.path, Right: of.read, Object: of.object,
			ID: "listExceptions" + of.suffix, Summary: "The vulnerabilities that are let through",
			Answer: Exceptions{},
			Status: 200, Serve: s.listExceptions,
		}, rest.Operation{
			Method: put, Path: of.path + "/{vulnerability}", Right: of.change, Object: of.object,
			ID: "setException" + of.suffix, Summary: "Let a vulnerability through, for a time or for good",
			Body:   NewException{},
			Status: 204, Serve: s.except,
		}, rest.Operation{
			Method: remove, Path: of.path + "/{vulnerability}", Right: of.change, Object: of.object,
			ID: "deleteException" + of.suffix, Summary: "Let a vulnerability through no longer",
			Status: 204, Serve: func(asked *rest.Ask) (any, error) {
				return nil, s.p.Scans.Gates.Insist(asked.Context(), asked.Caller, asked.PathValue("project"),
					asked.PathValue("vulnerability"))
			},
		})
	}
	return all
}

func (s *Scans) listExceptions(asked *rest.Ask) (any, error) {
	all, err := s.p.Scans.Gates.Exceptions(asked.Context(), asked.Caller, asked.PathValue("project"))
	out := Exceptions{Items: make([]Exception, len(all))}
	for i, e := range all {
		out.Items[i] = ExceptionOf(e, s.p.Now())
	}
	return out, err
}

func (s *Scans) except(asked *rest.Ask) (any, error) {
	var body NewException
	if err := asked.Read(&body); err != nil {
		return nil, err
	}
	e := gate.Exception{Vulnerability: asked.PathValue("vulnerability"), Reason: body.Reason}
	if body.Expires != nil {
		e.Expires = *body.Expires
	}
	return nil, s.p.Scans.Gates.Except(asked.Context(), asked.Caller, asked.PathValue("project"), e)
}
