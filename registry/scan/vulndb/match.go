package vulndb

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"cove/inventory/packages"
	"cove/registry/db"
	"cove/registry/scan/advisory"
	"cove/registry/scan/version"
)

// Subject is a package as it is asked for.
type Subject struct {
	ID                    int64
	Ecosystem, Type       string
	Name, Version         string
	Source, SourceVersion string
}

// names are those by which advisories may know it, each with the version that they
// speak of: databases of rpm know some packages by their own name and some by what
// they were built from.
func (s Subject) names() [][2]string {
	names := [][2]string{{s.Source, s.SourceVersion}}
	if s.Type == packages.RPM && s.Source != s.Name {
		names = append(names, [2]string{s.Name, s.Version})
	}
	return names
}

// Finding is a vulnerability of a package.
type Finding struct {
	Vulnerability string
	Severity      advisory.Severity
	Fixed         string // the version that mends it; "" if none is known
	Status        string // why there is none, as "will_not_fix"
}

// said is what an advisory says of a package.
type said struct {
	Finding
	affected advisory.Affected
}

// Match finds the vulnerabilities of packages, by their ids and in order. A package
// without any has no entry.
func Match(ctx context.Context, q db.Querier, subjects []Subject) (map[int64][]Finding, error) {
	wanted := map[string]map[string]bool{}
	for _, s := range subjects {
		for _, name := range s.names() {
			if s.Ecosystem == "" {
				continue
			}
			if wanted[s.Ecosystem] == nil {
				wanted[s.Ecosystem] = map[string]bool{}
			}
			wanted[s.Ecosystem][name[0]] = true
		}
	}
	all := map[string]map[string][]said{}
	for eco, names := range wanted {
		found, err := advisories(ctx, q, eco, names)
		if err != nil {
			return nil, err
		}
		all[eco] = found
	}
	found := map[int64][]Finding{}
	for _, s := range subjects {
		if of := findings(s, all[s.Ecosystem]); len(of) > 0 {
			found[s.ID] = of
		}
	}
	return found, judge(ctx, q, found)
}

// once is how many names one statement asks for.
const once = 100

// padded cuts a list into pieces of one length, of which the last repeats its end.
func padded(list []string, n int) (pieces [][]any) {
	for piece := range slices.Chunk(list, n) {
		args := make([]any, n)
		for i := range args {
			args[i] = piece[min(i, len(piece)-1)]
		}
		pieces = append(pieces, args)
	}
	return pieces
}

func advisories(ctx context.Context, q db.Querier, eco string, names map[string]bool) (map[string][]said, error) {
	list := make([]string, 0, len(names))
	for name := range names {
		list = append(list, name)
	}
	found := map[string][]said{}
	for _, piece := range padded(list, once) {
		err := db.Each(ctx, q, func(row db.Scanner) (bool, error) {
			var name, affected string
			var a said
			if err := row.Scan(&name, &a.Vulnerability, &a.Severity, &affected); err != nil {
				return false, err
			}
			if err := json.Unmarshal([]byte(affected), &a.affected); err != nil {
				return false, err
			}
			a.Status = a.affected.Status
			found[name] = append(found[name], a)
			return true, nil
		}, `SELECT a.package, a.vulnerability, a.severity, a.affected FROM scan_advisories a
			JOIN scan_sources s ON s.id = a.source_id AND s.active = 1
			WHERE a.ecosystem = $1 AND a.package IN (`+Parameters(2, once)+")", append([]any{eco}, piece...)...)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// findings are the vulnerabilities of one package. What several advisories say of
// one is taken together: the worst severity, and the first version that mends it.
func findings(s Subject, of map[string][]said) []Finding {
	scheme := version.Scheme(s.Type)
	merged := map[string]Finding{}
	for _, name := range s.names() {
		for _, a := range of[name[0]] {
			fixed, affected := a.affected.Match(scheme, name[1])
			if !affected {
				continue
			}
			f := a.Finding
			f.Fixed = fixed
			if old, there := merged[f.Vulnerability]; there {
				f.Severity = max(f.Severity, old.Severity)
				if f.Fixed == "" || old.Fixed != "" && version.Less(scheme, old.Fixed, f.Fixed) {
					f.Fixed = old.Fixed
				}
			}
			if f.Fixed != "" {
				f.Status = ""
			}
			merged[f.Vulnerability] = f
		}
	}
	list := make([]Finding, 0, len(merged))
	for _, f := range merged {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b Finding) int { return strings.Compare(a.Vulnerability, b.Vulnerability) })
	return list
}

// judge gives what no advisory has judged the severity that the vulnerability has.
func judge(ctx context.Context, q db.Querier, found map[int64][]Finding) error {
	open := map[string]advisory.Severity{}
	for _, list := range found {
		for _, f := range list {
			if f.Severity <= advisory.Unknown {
				open[f.Vulnerability] = advisory.Unknown
			}
		}
	}
	ids := make([]string, 0, len(open))
	for id := range open {
		ids = append(ids, id)
	}
	for _, piece := range padded(ids, once) {
		err := db.Each(ctx, q, func(row db.Scanner) (bool, error) {
			var id string
			var severity advisory.Severity
			err := row.Scan(&id, &severity)
			open[id] = max(open[id], severity)
			return true, err
		}, `SELECT v.id, v.severity FROM scan_vulnerabilities v JOIN scan_sources s ON s.id = v.source_id AND s.active = 1
			WHERE v.id IN (`+Parameters(1, once)+")", piece...)
		if err != nil {
			return err
		}
	}
	for _, list := range found {
		for i := range list {
			if s, ok := open[list[i].Vulnerability]; ok && list[i].Severity <= advisory.Unknown {
				list[i].Severity = s
			}
		}
	}
	return nil
}
