package scans

import (
	"io"

	"cove/registry/api/rest"
	"cove/registry/scan"
	"cove/registry/scan/advisory"
)

const csv = "text/csv; charset=utf-8"

// wantedOf are the parameters of an export.
var wantedOf = []rest.Parameter{
	{Name: "repositories", About: "a glob of full names, as team/web/**", Kind: rest.KindText},
	{Name: "tags", About: "a glob of tags: only images that have such a one", Kind: rest.KindText},
	{Name: "severity", About: "this one and worse: critical, high, medium, low, negligible", Kind: rest.KindText},
	{Name: "vulnerability", About: "this one alone, as CVE-2024-1234", Kind: rest.KindText},
}

func (s *Scans) export(asked *rest.Ask) (any, error) {
	want := scan.Wanted{
		Project: asked.PathValue("project"), Repositories: asked.Query.Get("repositories"),
		Tags: asked.Query.Get("tags"), Vulnerability: asked.Query.Get("vulnerability"),
	}
	if word := asked.Query.Get("severity"); word != "" {
		var err error
		if want.Least, err = advisory.ParseSeverity(word); err != nil {
			return nil, err
		}
	}
	export, err := s.p.Scans.Export(asked.Context(), asked.Caller, want)
	if err != nil {
		return nil, err
	}
	return rest.File{Type: csv, Write: func(to io.Writer) error { return export(asked.Context(), to) }}, nil
}
