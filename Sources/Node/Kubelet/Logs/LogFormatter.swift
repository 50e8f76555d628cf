/// Turns lines of a container log file into what the client asked to see, until the byte limit is reached.
struct LogFormatter {
    private let options: LogOptions
    private var remaining: Int?
    /// The time check ends with the first line that is late enough: lines are in order.
    private var reachedSince: Bool
    /// A timestamp goes before a line, never into the middle of one that was written in parts.
    private var continuesLine: [Bool] = [false, false]

    init(_ options: LogOptions) {
        self.options = options
        remaining = options.limitBytes
        reachedSince = options.since == nil
    }

    /// True when the limit has been reached and nothing more will come out.
    var isFinished: Bool { remaining == 0 }

    /// Appends the visible form of one raw line (without newline) to `output`.
    mutating func append(_ raw: ArraySlice<UInt8>, to output: inout [UInt8]) {
        guard !isFinished, let line = CRILogLine(raw) else { return }
        if !reachedSince, let since = options.since {
            guard let time = line.wallTime, time >= since else { return }
            reachedSince = true
        }
        if let stream = options.stream, stream != line.stream { return }
        let index = line.stream == .stdout ? 0 : 1
        let start = output.count
        if options.timestamps, !continuesLine[index] {
            output += line.time
            output.append(0x20)
        }
        output += line.content
        if !line.isPartial { output.append(0x0A) }
        continuesLine[index] = line.isPartial
        if let remaining {
            let added = output.count - start
            if added > remaining { output.removeLast(added - remaining) }
            self.remaining = max(0, remaining - added)
        }
    }
}
