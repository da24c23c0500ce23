package names

import (
	"slices"

	"cove/reference"
)

const maxMountable = 3

// Mountable are repositories of ref's registry that are known to hold what is sent there:
// those of which it is said, and those of records which the registry has and that share.
func Mountable(all []Record, ref reference.Reference, said []string, shares func(Record) bool) []string {
	from := slices.Clone(said)
	for _, r := range all {
		if len(from) >= maxMountable {
			break
		}
		other, err := reference.Parse(r.Name)
		if err == nil && r.Origin != "" && other.Registry == ref.Registry && other.Repository != ref.Repository &&
			!slices.Contains(from, other.Repository) && shares(r) {
			from = append(from, other.Repository)
		}
	}
	return from[:min(len(from), maxMountable)]
}
