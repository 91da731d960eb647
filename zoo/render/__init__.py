"""Pictures and tables of networks; nothing here but `dot` and `picture` ever sees a Keras model."""
