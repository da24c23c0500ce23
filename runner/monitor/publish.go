package monitor

import (
	"cove/runner/attach"
	"cove/runner/record"
	"cove/runner/task"
)

// publish changes the ports of the container, which hang on sockets of this process. Who
// asks holds the control lock, so that nobody else does meanwhile.
func (m *monitor) publish(conn *attach.Conn, h attach.Hello) {
	defer conn.Close()
	if !m.enterExec() {
		_ = conn.SendJSON(attach.TypeFailed, task.Failure(errNotRunning))
		return
	}
	defer m.execs.Done() // before it nobody records an end
	err := m.task.Net.Republish(h.Ports)
	m.stateLock.Lock()
	m.state.Network.Ports = m.task.Net.State.Ports
	serr := m.o.Dir.SetState(m.state, false)
	m.stateLock.Unlock()
	if err == nil {
		err = serr
	}
	if err != nil {
		_ = conn.SendJSON(attach.TypeFailed, task.Failure(err)) // fails if the client has left
		return
	}
	_ = conn.SendJSON(attach.TypeExit, record.ExitStatus{})
}
