internal import JSONTree
internal import KubeAPI

extension TableDefinition {
    static let events = TableDefinition(
        columns: [
            Column(name: "Last Seen", description: "When the event was last seen."),
            Column(name: "Type", description: "Normal or Warning."),
            Column(name: "Reason", description: "Why, in one word."),
            Column(name: "Object", description: "What the event is about."),
            Column(name: "Subobject", description: "The part of the object that the event is about.", priority: 1),
            Column(name: "Source", description: "Who reports it.", priority: 1),
            Column(name: "Message", description: "What happened."),
            Column(name: "First Seen", description: "When the event was first seen.", priority: 1),
            Column(name: "Count", description: "How often it was seen.", priority: 1),
            name,
        ].enumerated().map { index, column in
            var column = column
            if index == 9 { column.priority = 1 }
            return column
        },
        cells: { event, now in
            // An event of the newer kind has an eventTime and a series in place of timestamps and a count.
            let eventTime = event["eventTime"]
            let first = event["firstTimestamp"].flatMap { nonEmpty($0) } == nil ? eventTime : event["firstTimestamp"]
            var last = nonEmpty(event["lastTimestamp"]) == nil ? first : event["lastTimestamp"]
            var count = event["count"]?.int ?? 0
            if let series = event["series"], series.object != nil {
                last = series["lastObservedTime"]
                count = series["count"]?.int ?? count
            } else if count == 0 {
                count = 1
            }
            let object = event["involvedObject"]
            let kind = (object?["kind"]?.string ?? "").lowercased()
            let target = nonEmpty(object?["name"]).map { "\(kind)/\($0)" } ?? kind
            let component = nonEmpty(event[path: "source", "component"]) ?? nonEmpty(event["reportingComponent"]) ?? ""
            let host = nonEmpty(event[path: "source", "host"]) ?? nonEmpty(event["reportingInstance"])
            let source = host.map { "\(component), \($0)" } ?? component
            return [
                since(last, now), event["type"] ?? "", event["reason"] ?? "", .string(target), object?["fieldPath"] ?? "", .string(source),
                .string((event["message"]?.string ?? "").trimmingTrailingWhitespace()), since(first, now), JSON(count), objectName(event),
            ]
        })
}

extension String {
    fileprivate func trimmingTrailingWhitespace() -> String {
        var slice = self[...]
        while let last = slice.last, last.isWhitespace { slice.removeLast() }
        return String(slice)
    }
}
