package engine

import (
	"context"

	"cove/engine/machine"
	"cove/runner/doctor"
)

// Diagnosis is what a doctor looked at, what was orphaned, and what was repaired of it.
type Diagnosis struct {
	doctor.Report
	Repaired []string
	// Mended is what was there no longer, and was made again.
	Mended []string
}

// Diagnose proves that no mount, control group, interface, rule, address, lock or
// process of this root is without a container. With repair it removes what is, as
// a prune does, makes bridges and rules again that others removed, and looks again: what is orphaned then could not be.
func (e *Engine) Diagnose(ctx context.Context, repair bool) (d Diagnosis, err error) {
	if err := machine.NeedRoot("looking at what containers left behind"); err != nil {
		return d, err
	}
	if d.Report, err = doctor.Examine(e.parts.Root); err != nil || !repair {
		return d, err
	}
	r, err := e.parts.Runner()
	if err != nil {
		return d, err
	}
	if d.Repaired, err = r.Clean(ctx); err != nil {
		return d, err
	}
	mounts, err := doctor.Unmount(e.parts.Root)
	if d.Repaired = append(d.Repaired, mounts...); err != nil {
		return d, err
	}
	if d.Mended, err = r.Networks().Mend(); err != nil {
		return d, err
	}
	d.Report, err = doctor.Examine(e.parts.Root)
	return d, err
}
