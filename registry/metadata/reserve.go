package metadata

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

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

// MakeRoom is Update for a write that must not fail on a full disk, where it
// takes the reserve: one that leads to more room, as a delete does, and those by
// which an operator gets at a registry.
func (m *DB) MakeRoom(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return m.WithRoom(func() error { return m.Update(ctx, fn) })
}

// MakeRoomSoon is MakeRoom for what may be lost in a power cut, as by UpdateSoon.
func (m *DB) MakeRoomSoon(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return m.WithRoom(func() error { return m.UpdateSoon(ctx, fn) })
}

// WithRoom does what may meet a full disk, and once more, with the room of the
// reserve, when it did. The kind of that failure is errdefs.ErrExhausted, or it
// is the system's ENOSPC.
func (m *DB) WithRoom(do func() error) error {
	err := do()
	full := errors.Is(err, errdefs.ErrExhausted) || errors.Is(err, unix.ENOSPC)
	if full && m.reserve != nil && m.reserve.Release() {
		err = do()
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
