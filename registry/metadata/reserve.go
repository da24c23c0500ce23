package metadata

import (
	"context"
	"errors"

	"cove/errdefs"
)

// Reserve is room on the disk that is kept for what makes room: on a full disk
// not even a delete can be written to the database.
type Reserve interface {
	// Release gives the room up, and says whether there was some.
	Release() bool
	// Fill takes the room again; it fails while there is none.
	Fill() error
}

// SetReserve gives the database a reserve. Set it before the first write.
func (m *DB) SetReserve(r Reserve) { m.reserve = r }

// MakeRoom is Update for a write that leads to more room, as a delete does: on a
// full disk it takes the reserve.
func (m *DB) MakeRoom(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	err := m.Update(ctx, fn)
	if errors.Is(err, errdefs.ErrExhausted) && m.reserve != nil && m.reserve.Release() {
		err = m.Update(ctx, fn)
	}
	return err
}

// Roomy is nil when the reserve is there. Otherwise the disk is full, and who
// would write more than a delete must not: the error is errdefs.ErrExhausted.
func (m *DB) Roomy() error {
	if m.reserve == nil {
		return nil
	}
	return m.reserve.Fill()
}
