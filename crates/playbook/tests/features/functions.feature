Feature: Functions
  A task that is called by its name.

  Scenario: A function gets its arguments and nothing else
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-function-gets-its-arguments-and-nothing-else, version: '1.0.0'}
    use:
      functions:
        greet:
          input: {schema: {document: {type: object, required: [name]}}}
          do:
            - say: {set: {greeting: "${ \"Hello \\(.name)\" }"}}
            - shout: {set: {greeting: "${ .greeting + \"!\" }"}}
    do:
      - first: {call: greet, with: {name: "${ .who }"}}
      - second: {call: greet, with: {name: Bob}, output: {as: .greeting}}
    """
    And given the workflow input is:
    """yaml
    who: Ann
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    Hello Bob!
    """
    And the journal should be:
    """yaml
    say completed
    shout completed
    greet completed
    first completed
    say completed
    shout completed
    greet completed
    second completed
    """

  Scenario: A function's error has the place of its task
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-function-s-error-has-the-place-of-its-task, version: '1.0.0'}
    use:
      functions:
        fetch: {call: http, with: {method: get, endpoint: "https://api.test/{id}"}}
    do:
      - guarded:
          try:
            - get: {call: fetch, with: {id: 7}}
          catch:
            do:
              - note: {set: "${ $error.instance }"}
    """
    And given the server answers:
    """yaml
    [{path: /7, status: 404}]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    /use/functions/fetch
    """
    And the journal should be:
    """yaml
    fetch faulted
    get faulted
    note completed
    guarded completed
    """

  Scenario: A function calls another, in a branch that is tried again
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: functions-in-functions, version: '1.0.0'}
    use:
      functions:
        send:
          do:
            - post: {call: http, with: {method: post, endpoint: "https://api.test/send", body: "${ . }"}}
            - count: {set: {sent: "${ .n }"}}
        twice:
          fork:
            branches:
              - one: {call: send, with: {n: "${ .n }"}}
              - two: {call: send, with: {n: "${ .n + 1 }"}}
    do:
      - guarded:
          try:
            - both: {call: twice, with: {n: 1}}
          catch:
            retry: {delay: {seconds: 1}, limit: {attempt: {count: 1}}}
    """
    And given the server answers:
    """yaml
    - {path: /send, body: {n: 1}}
    - {path: /send, status: 500}
    - {path: /send, body: {n: 7}}
    - {path: /send, body: {n: 8}}
    """
    When the workflow is executed
    When 1 second passes
    Then the workflow should complete with output:
    """yaml
    [{sent: 7}, {sent: 8}]
    """
    And the server should have got 4 requests with 2 keys
