import Logging
import Synchronization

/// Every line that an agent has logged.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
}

/// Keeps the lines and prints them, as the default handler does.
struct LogCollector: LogHandler {
    private let lines: LogLines
    private var printer: StreamLogHandler

    init(_ lines: LogLines, label: String) {
        self.lines = lines
        printer = .standardError(label: label)
    }

    var metadata: Logger.Metadata {
        get { printer.metadata }
        set { printer.metadata = newValue }
    }
    var logLevel: Logger.Level {
        get { printer.logLevel }
        set { printer.logLevel = newValue }
    }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { printer[metadataKey: key] }
        set { printer[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        lines.add("\(event.message)")
        printer.log(event: event)
    }
}
