package feed

import (
	"context"
	"encoding/json"

	"cove/inventory/packages"
	"cove/registry/scan/advisory"
)

// trackedCVE is what Debian's tracker says of a vulnerability in a source package.
type trackedCVE struct {
	Description string                    `json:"description"`
	Releases    map[string]trackedRelease `json:"releases"`
}

type trackedRelease struct {
	Status       string `json:"status"`
	Urgency      string `json:"urgency"`
	FixedVersion string `json:"fixed_version"`
	NoDSA        string `json:"nodsa"`
	NoDSAReason  string `json:"nodsa_reason"`
}

// codenames are the releases that are looked after.
var codenames = map[string]string{
	"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14", "duke": "15",
}

// isTracker says whether a value is what the tracker says of a package.
func isTracker(value json.RawMessage) bool {
	var cves map[string]trackedCVE
	if json.Unmarshal(value, &cves) != nil {
		return false
	}
	for _, cve := range cves {
		if len(cve.Releases) > 0 {
			return true
		}
	}
	return false
}

// tracker reads the rest of the tracker's object.
func tracker(ctx context.Context, dec *json.Decoder, first entry, to Sink) error {
	told := map[string]bool{}
	if err := tracked(ctx, first, told, to); err != nil {
		return notRead(err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return notRead(err)
		}
		next := entry{}
		next.name, _ = key.(string)
		err = dec.Decode(&next.value)
		if err == nil {
			err = tracked(ctx, next, told, to)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return notRead(err)
		}
	}
	_, err := dec.Token()
	if err != nil {
		return notRead(err) // it was cut
	}
	return nil
}

func tracked(ctx context.Context, e entry, told map[string]bool, to Sink) error {
	var cves map[string]trackedCVE
	if err := json.Unmarshal(e.value, &cves); err != nil {
		return err
	}
	for id, cve := range cves {
		said := false
		for name, r := range cve.Releases {
			a, some := r.advisory(name)
			if !some {
				continue
			}
			a.Vulnerability, a.Package, said = id, e.name, true
			if err := to.Advisory(ctx, a); err != nil {
				return err
			}
		}
		if !said || told[id] {
			continue
		}
		told[id] = true
		v := advisory.Vulnerability{
			ID: id, Severity: advisory.Unknown, Description: cve.Description,
			Links: []string{"https://security-tracker.debian.org/tracker/" + id},
		}
		if err := to.Vulnerability(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// advisory is what is said of a release; false when it does not have the
// vulnerability, or nobody knows.
func (r trackedRelease) advisory(codename string) (advisory.Advisory, bool) {
	number, known := codenames[codename]
	a := advisory.Advisory{
		Ecosystem: advisory.OfRelease(packages.Release{ID: "debian", Version: number}),
		Severity:  advisory.Judged(r.Urgency),
	}
	switch {
	case !known:
		return a, false
	case r.Status == "resolved" && r.FixedVersion != "0" && r.FixedVersion != "":
		a.Ranges = []advisory.Range{{Before: r.FixedVersion}}
		return a, true
	case r.Status != "open":
		return a, false
	}
	a.Ranges = []advisory.Range{{}}
	switch {
	case r.Urgency == "end-of-life":
		a.Status = "end_of_life"
	case r.NoDSAReason == "ignored":
		a.Status = "will_not_fix"
	case r.NoDSA != "" || r.NoDSAReason != "":
		a.Status = "fix_deferred"
	}
	return a, true
}
