//go:build linux

package front

import (
	"slices"
	"time"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/spool"
)

// noParkingFor is how long nothing is parked after the spool had no room.
const noParkingFor = time.Second

// parking is a lane's way to the spool.
type parking struct {
	again int64 // Nanos of the clock; nothing is parked before
	full  bool  // said so
}

// Park implements [dispatch.Receiver]: what is left of the reply goes to the spool as it will be sent, and the exchange is over.
// When the spool has no room the reply stays where it is, and its worker waits for this client: nothing is lost.
func (c *conn) Park(e *dispatch.Exchange) {
	now := c.lane.loop.Clock.Nanos
	if c.exchange != e || !c.blocked || e.FileLen() > 0 || now < c.lane.parking.again {
		return
	}
	pieces := e.Pending()
	runs := c.encode(e, make([][]byte, 0, 4*pieces+4), make([]byte, 0, pieces*chunkHeadMax))
	if len(c.interim) > 0 { // the reply comes after that
		runs = slices.Insert(runs, 0, c.interim)
	}
	if len(runs) == 0 {
		return
	}
	extent, err := c.spooled(runs)
	if err != nil {
		c.lane.parking.again = now + int64(noParkingFor)
		if !c.lane.parking.full {
			c.lane.options.Log.Warn("replies not parked", "error", err, "code", fault.SpoolFull.Code,
				"effect", "workers wait for clients that are slow to read")
		}
		c.lane.parking.full = true
		return
	}
	c.lane.parking.full = false
	body, sent := -(c.sentOfBody() - c.bodySent), c.sentOfBody()
	for n := range e.Pending() {
		_, bytes := c.parts(e, n, &c.bodyLeft)
		body += int64(len(bytes))
	}
	c.bodySent = sent
	c.exchange, c.phase, c.interim = nil, phaseFile, nil
	c.rest = &rest{file: &dispatch.File{Descriptor: c.lane.front.spool.Descriptor(), At: extent.At(), Left: extent.Length},
		extent: extent, whole: extent.Length, body: body, cut: e.Cut(), copied: true}
	e.Release()
}

// spooled writes runs of bytes to the spool. They may lie there already, mapped, so only the kernel reads them.
func (c *conn) spooled(runs [][]byte) (*spool.Extent, error) {
	size := 0
	for _, run := range runs {
		size += len(run)
	}
	extent, err := c.lane.front.spool.Reserve(int64(size))
	if err != nil {
		return nil, err
	}
	if err := extent.Writev(runs); err != nil {
		extent.Release()
		return nil, err
	}
	return extent, nil
}
